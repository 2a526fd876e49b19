/**
 * Adds the flags that a command needs to be about the Dispatcher of the page, each after a space: to a list and to what
 * is done to all of it. What the server made has them, and kubectl takes others.
 */
export function aimed(command: string, target: string): string {
  return command[0] === "d" && !command.includes(target) ? command.replace(/ \| x|$/g, (end) => target + end) : command;
}
