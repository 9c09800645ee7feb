/** An address that is no relay's; carries it. */
export class RelayUrlError extends Error {
  override readonly name = 'RelayUrlError';
  readonly url: string;
  constructor(url: string) {
    super(`not a ws:// or wss:// address: ${url.slice(0, 200)}`);
    this.url = url;
  }
}

/**
 * One spelling for each relay: lower-case host, no default port, no fragment, no trailing slash.
 * Throws RelayUrlError on anything but ws:// and wss://, and on addresses with a user name or password in them.
 */
export function normalizeRelayUrl(text: string): string {
  if (!URL.canParse(text)) throw new RelayUrlError(text);
  const url = new URL(text);
  if (url.protocol !== 'ws:' && url.protocol !== 'wss:') throw new RelayUrlError(text);
  if (url.username !== '' || url.password !== '' || url.hostname === '')
    throw new RelayUrlError(`${url.protocol}//${url.host}`);
  url.hash = '';
  return url.pathname.endsWith('/') && url.search === '' ? url.href.replace(/\/+$/, '') : url.href;
}
