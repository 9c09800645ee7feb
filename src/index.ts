export { type Daemon, startDaemon } from './daemon.ts';
export { type Advert, type AdvertRead, readAdvert } from './nostr/advert.ts';
export { type AdvertTerms, type AggregatorApi, OperatorError } from './operator/api.ts';
export { version } from './version.ts';
