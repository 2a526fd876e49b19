/** Reads the name of a module as people write it, where - stands for none. */
export function moduleNamed(name: string): string;
export function moduleNamed(name: string | undefined): string | undefined;
export function moduleNamed(name: string | undefined): string | undefined {
  return name === "-" ? "" : name;
}
