/**
 * Adds the flags that a command needs to be about the Dispatcher of the page, each after a space: to a list and to what
 * is done to all of it. What the server made has them. One of kubectl takes the context alone, because it names the
 * namespace of the Jobs.
 */
export function aimed(command: string, target: string): string {
  if (command[0] === "k") return command + target.replace(/ --n.*/, "");
  return command.includes(target) ? command : command.replace(/ \| x|$/g, (end) => target + end);
}
