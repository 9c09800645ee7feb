/** How docs/PROTOCOL.md shows a vector: long strings cut, short objects on one line. */
const WIDTH = 112;
const KEPT = 80;

export const shorten = (text: string): string => (text.length > KEPT ? `${text.slice(0, 32)}…` : text);

export function show(value: unknown, indent = 0, head = 0): string {
  const flat = JSON.stringify(value, (_, part) => (typeof part === 'string' ? shorten(part) : part)).replace(
    /("(?:[^"\\]|\\.)*")|([,:])/g,
    (_, text: string | undefined, mark: string) => text ?? `${mark} `,
  );
  if (typeof value !== 'object' || value === null || indent + head + flat.length <= WIDTH) return flat;
  const pad = ' '.repeat(indent + 2);
  const [open, close] = Array.isArray(value) ? '[]' : '{}';
  const parts = Array.isArray(value)
    ? value.map(each => show(each, indent + 2))
    : Object.entries(value).map(([key, each]) => {
        const name = JSON.stringify(shorten(key));
        return `${name}: ${show(each, indent + 2, name.length + 2)}`;
      });
  return `${open}\n${parts.map(part => pad + part).join(',\n')}\n${' '.repeat(indent)}${close}`;
}

interface Sent {
  type: string;
  body: Record<string, unknown>;
}

/** What an `<!-- example: file what… -->` names: a member of the file, or the body of a message in it. */
export function pick(file: Record<string, unknown>, what: string, ...more: string[]): unknown {
  if (Object.hasOwn(file, what)) {
    const found = file[what];
    return Array.isArray(found) ? found[0] : found;
  }
  const sent = (file.messages as { envelope: Sent }[]).map(({ envelope }) => envelope);
  const accepted = more.find(word => word !== 'last' && word !== 'envelope');
  const found = sent.filter(
    ({ type, body }) => type === what && (accepted === undefined || body.accepted === accepted),
  );
  const one = more.includes('last') ? found.at(-1) : found[0];
  if (!one) throw new Error(`no ${what} ${more.join(' ')}`);
  return more.includes('envelope') ? one : one.body;
}

const EXAMPLE = /<!-- example: (\S+) ([^>]+?) -->\n(?:```json\n[^`]*```\n)?/g;

/** The document with every example as the vectors have it. */
export const withExamples = (document: string, files: Record<string, Record<string, unknown>>): string =>
  document.replace(EXAMPLE, (_, name: string, words: string) => {
    const [what, ...more] = words.split(' ') as [string, ...string[]];
    return `<!-- example: ${name} ${words} -->\n\`\`\`json\n${show(pick(files[name]!, what, ...more))}\n\`\`\`\n`;
  });
