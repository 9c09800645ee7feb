/** The event was consumed by an earlier commit; the whole batch was refused. */
export class AlreadySeen extends Error {
  override readonly name = 'AlreadySeen';
  readonly id: string;
  constructor(id: string) {
    super(`event ${id} was consumed before`);
    this.id = id;
  }
}

/** The message was answered by an earlier commit; the whole batch was refused. */
export class AlreadyAnswered extends Error {
  override readonly name = 'AlreadyAnswered';
  readonly key: string;
  constructor(key: string) {
    super(`message ${key} was answered before`);
    this.key = key;
  }
}

/** Other bytes are stored under this key; artifacts are written once. */
export class ArtifactConflict extends Error {
  override readonly name = 'ArtifactConflict';
  readonly stream: string;
  readonly key: string;
  constructor(stream: string, key: string) {
    super(`artifact ${key} of ${stream} is stored with other bytes`);
    this.stream = stream;
    this.key = key;
  }
}

/** A value that would not come back as it went in. Names the place, never the value, which may be secret. */
export class NotStorable extends TypeError {
  override readonly name = 'NotStorable';
  readonly place: string;
  constructor(place: string, why: string) {
    super(`${place}: ${why}`);
    this.place = place;
  }
}

/** Another process, or another store in this one, has the database open for writing. */
export class StoreLocked extends Error {
  override readonly name = 'StoreLocked';
  readonly path: string;
  constructor(path: string) {
    super(`${path} is in use by another process`);
    this.path = path;
  }
}

/** The database was written by a newer version, by another application, or must be migrated by a writer first. */
export class StoreVersionError extends Error {
  override readonly name = 'StoreVersionError';
  readonly path: string;
  readonly reason: 'newer' | 'older' | 'application';
  readonly found: number;
  readonly expected: number;
  constructor(path: string, reason: 'newer' | 'older' | 'application', found: number, expected: number) {
    super(
      reason === 'application'
        ? `${path} belongs to another application (id ${found}, expected ${expected})`
        : `${path} has schema version ${found}, this program reads version ${expected}`,
    );
    this.path = path;
    this.reason = reason;
    this.found = found;
    this.expected = expected;
  }
}

/** The disk, or the allowed size, is used up; nothing of the batch was stored and the earlier state stands. */
export class StoreFull extends Error {
  override readonly name = 'StoreFull';
  constructor(cause?: unknown) {
    super('no room left to store', { cause });
  }
}

/** The file is no database, or is damaged. Restore a backup; nothing repairs it. */
export class StoreCorrupt extends Error {
  override readonly name = 'StoreCorrupt';
  constructor(what: string, cause?: unknown) {
    super(what, { cause });
  }
}

/** Any other failure of the database; `code` is SQLite's extended result code, or 0. */
export class StoreFailed extends Error {
  override readonly name = 'StoreFailed';
  readonly code: number;
  constructor(what: string, code = 0, cause?: unknown) {
    super(what, { cause });
    this.code = code;
  }
}

/** Whether the store could not take a step, for want of room or of a disk: then nobody may take one. */
export const isStoreFault = (error: unknown): error is StoreFull | StoreFailed =>
  error instanceof StoreFull || error instanceof StoreFailed;
