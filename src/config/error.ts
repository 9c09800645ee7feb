/** One thing that is wrong: `key` as in the file (`advert.frequency.interval`) or a variable's name; `text` says what is allowed. */
export interface ConfigProblem {
  readonly key: string;
  readonly text: string;
}

/** Everything that is wrong with a configuration, at once. Never carries a value that could be a secret. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError';
  readonly problems: readonly ConfigProblem[];
  /** Where the configuration came from. */
  readonly source: string;

  constructor(source: string, problems: readonly ConfigProblem[]) {
    const count = problems.length === 1 ? 'one problem' : `${problems.length} problems`;
    super([`${source}: ${count}`, ...problems.map(({ key, text }) => `  ${key}: ${text}`)].join('\n'));
    this.source = source;
    this.problems = problems;
  }
}
