import { expect, test } from "vitest";
import { subcommands } from "../support/subcommands.ts";

// docs/command.md is made of what --help prints. After a change of a flag, write it anew:
// npx vitest run test/repository/command-page.test.ts --update

const PAGE = `# All that the command takes

[operate.md](operate.md#the-command) says how the command finds its Dispatcher, and what it is for.
This page is what \`--help\` prints.
`;

test("docs/command.md is what --help prints", async () => {
  const chapters = subcommands().map(({ name, help }) => `\n## ${name}\n\n\`\`\`text\n${help.trimEnd()}\n\`\`\`\n`);
  await expect(PAGE + chapters.join("")).toMatchFileSnapshot("../../docs/command.md");
});
