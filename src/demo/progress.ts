import { styleText } from 'node:util';

/** What a person sees of the demo: a line for each thing that happened, with the seconds since the start. */
export interface Progress {
  say(text: string, details?: Record<string, unknown>): void;
  step(text: string): void;
}

export function createProgress(json: boolean): Progress {
  const began = Date.now();
  const colours = process.stdout.isTTY && !process.env.NO_COLOR;
  const paint = (format: 'green' | 'dim' | 'bold', text: string): string => (colours ? styleText(format, text) : text);
  const seconds = (): string => `${((Date.now() - began) / 1000).toFixed(1).padStart(5)} s`;
  const write = (text: string): void => void process.stdout.write(`${text}\n`);
  return {
    step(text) {
      if (json) write(JSON.stringify({ at: Date.now() - began, step: text }));
      else write(`\n${paint('bold', text)}`);
    },
    say(text, details) {
      if (json) write(JSON.stringify({ at: Date.now() - began, text, ...details }));
      else write(`${paint('dim', seconds())}  ${paint('green', '✓')} ${text}`);
    },
  };
}
