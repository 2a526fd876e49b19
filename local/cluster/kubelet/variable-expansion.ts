/**
 * Expands `$(NAME)` as the kubelet does. A name without a value stays as written, `$$` becomes one `$`, and everything
 * else is left alone.
 */
export function expandVariables(text: string, values: Readonly<Record<string, string>>): string {
  let result = "";
  for (let index = 0; index < text.length; index += 1) {
    const character = text[index];
    const next = text[index + 1];
    if (character !== "$" || next === undefined) {
      result += character;
    } else if (next === "$") {
      result += "$";
      index += 1;
    } else if (next === "(") {
      const end = text.indexOf(")", index + 2);
      if (end === -1) return `${result}${text.slice(index)}`;
      const name = text.slice(index + 2, end);
      result += Object.hasOwn(values, name) ? values[name] : `$(${name})`;
      index = end;
    } else {
      result += character;
    }
  }
  return result;
}
