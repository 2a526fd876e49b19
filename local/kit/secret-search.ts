/** The secrets in a text. */
export interface Found {
  /** The names of the secrets, each once. */
  readonly names: readonly string[];
  /** The beginning of the text, and the surroundings of the first secret, with all secrets crossed out. */
  readonly excerpt: string;
}

const SHORTEST = 8;
/** How many characters an excerpt has of the text's beginning, and on either side of the secret. */
const AROUND = 120;

const SIGNATURE = "the signature of a URL";
/** Matches the signature of a URL, but not one that is crossed out already, `sig=...`. */
const SIGNATURES = /(?<=(?<![a-z])sig(?:=|%(?:25)*3D))(?!\.\.\.)[^&\s"'<>\\]{8,}/gi;

/** Finds secrets in texts, and the signatures of URLs, and never repeats them. */
export class SecretSearch {
  readonly #nameOf = new Map<string, string>();
  readonly #secrets: RegExp;

  /**
   * Takes each secret with the name that reports call it by. Throws an Error if one is so short that it could occur
   * anywhere by chance.
   */
  constructor(secrets: Readonly<Record<string, string>>) {
    for (const [name, secret] of Object.entries(secrets)) {
      if (secret.length < SHORTEST)
        throw new Error(`${name} is too short to be looked for. Use one of ${SHORTEST} characters or more`);
      for (const form of formsOf(secret)) this.#nameOf.set(form, name);
    }
    const forms = [...this.#nameOf.keys()].map((form) => form.replaceAll(/[^\w ,]/g, String.raw`\$&`));
    this.#secrets = new RegExp(forms.join("|"), "g");
  }

  /** Undefined if the text holds none. */
  find(text: string): Found | undefined {
    const names = new Set<string>();
    const safe = this.#crossOut(text, names);
    const [first] = names;
    if (first === undefined) return undefined;
    const at = safe.indexOf(mark(first));
    const around = safe.slice(Math.max(0, at - AROUND), at + mark(first).length + AROUND);
    const start = safe.slice(0, Math.min(AROUND, Math.max(0, at - AROUND)));
    return { names: [...names], excerpt: at > 2 * AROUND ? `${start} ... ${around}` : start + around };
  }

  /** The text with all secrets crossed out. */
  crossedOut(text: string): string {
    return this.#crossOut(text, new Set());
  }

  #crossOut(text: string, names: Set<string>): string {
    const crossing = (name: string) => {
      names.add(name);
      return mark(name);
    };
    return text
      .replace(this.#secrets, (form) => crossing(this.#nameOf.get(form) ?? ""))
      .replace(SIGNATURES, () => crossing(SIGNATURE));
  }
}

function mark(name: string): string {
  return `<${name}>`;
}

/**
 * All forms of a text: as it is, as in a URL, in base64 at each of the three offsets, and in the ways in which Node
 * shows bytes.
 */
function formsOf(text: string): string[] {
  const bytes = Buffer.from(text);
  const base64 = [0, 1, 2].map((before) => {
    // Drops the characters that depend on the neighbouring bytes.
    const encoded = Buffer.concat([Buffer.alloc(before), bytes]).toString("base64");
    return encoded.slice(Math.ceil((before * 4) / 3), Math.floor(((before + bytes.length) * 4) / 3));
  });
  const hex = bytes.toString("hex");
  return [text, encodeURIComponent(text), ...base64, hex, hex.match(/../g)?.join(" ") ?? "", bytes.join(",")];
}
