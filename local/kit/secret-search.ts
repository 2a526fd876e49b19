/** What a text holds of what it may not hold. */
export interface Found {
  /** What they are called, each once. */
  readonly names: readonly string[];
  /** How the text begins, and what stands around the first of them, with all of them crossed out. */
  readonly excerpt: string;
}

const SHORTEST = 8;
/** Characters that an excerpt has of the text's beginning, and on either side of what was found. */
const AROUND = 120;

const SIGNATURE = "the signature of a URL";
/** One that is crossed out already, `sig=...`, is none. */
const SIGNATURES = /(?<=(?<![a-z])sig(?:=|%(?:25)*3D))(?!\.\.\.)[^&\s"'<>\\]{8,}/gi;

/** Finds secrets in texts, and the signatures of URLs, and never repeats them. */
export class SecretSearch {
  readonly #nameOf = new Map<string, string>();
  readonly #secrets: RegExp;

  /** `secrets`: each by what it is to be called. Throws an Error where one is so short that it could stand anywhere. */
  constructor(secrets: Readonly<Record<string, string>>) {
    for (const [name, secret] of Object.entries(secrets)) {
      if (secret.length < SHORTEST) throw new Error(`${name} is too short to be looked for`);
      for (const form of formsOf(secret)) this.#nameOf.set(form, name);
    }
    const forms = [...this.#nameOf.keys()].map((form) => form.replaceAll(/[^\w ,]/g, String.raw`\$&`));
    this.#secrets = new RegExp(forms.join("|"), "g");
  }

  /** Undefined where the text holds none. */
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

  /** The text with all of them crossed out. */
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

/** A text as it stands, in a URL, in base64 wherever it begins there, and as the ways in which Node shows bytes. */
function formsOf(text: string): string[] {
  const bytes = Buffer.from(text);
  const base64 = [0, 1, 2].map((before) => {
    // What depends on its neighbours is left out.
    const encoded = Buffer.concat([Buffer.alloc(before), bytes]).toString("base64");
    return encoded.slice(Math.ceil((before * 4) / 3), Math.floor(((before + bytes.length) * 4) / 3));
  });
  const hex = bytes.toString("hex");
  return [text, encodeURIComponent(text), ...base64, hex, hex.match(/../g)?.join(" ") ?? "", bytes.join(",")];
}
