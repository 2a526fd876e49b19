export { PROJECT_ROOT } from "../../shared/project-root.ts";
