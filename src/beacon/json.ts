/** A member of a JSON object from a peer, own ones only: a DID may spell a name that every object inherits. */
export const ownMember = (object: unknown, key: string): unknown =>
  typeof object === 'object' && object !== null && Object.hasOwn(object, key)
    ? (object as Record<string, unknown>)[key]
    : undefined;
