import type { FilterableMessage } from "./message-content.ts";

/** Whether a subscription takes a message. */
export type MessageFilter = (message: FilterableMessage) => boolean;
