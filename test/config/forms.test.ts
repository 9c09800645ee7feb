import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { termsSchema } from '../../src/messages/terms.ts';
import { didOfIdentity } from '../../src/nostr/advert.ts';
import { BASE, type Folder, makeFolder } from './folder.ts';

const KEY = '79be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798';
const wire = (advert: object): boolean => {
  const { expires_in, ...terms } = advert as { expires_in: number };
  expect(expires_in).toBeGreaterThan(0);
  return termsSchema.safeParse({
    ...terms,
    v: 1,
    id: 'x',
    btc_network: 'regtest',
    transport_key: KEY,
    return_address: 'nostr:nprofile1x',
    aggregator_did: didOfIdentity(KEY, 'regtest'),
  }).success;
};

let folder: Folder;
beforeAll(() => {
  folder = makeFolder(BASE);
});
afterAll(() => folder.remove());

const forms = ['SMTBeacon', 'CASBeacon'].flatMap(type =>
  ['push', 'pull'].flatMap(flow =>
    ['none', 'blinded'].flatMap(privacy =>
      ['spec', 'lsb'].flatMap(bit_order =>
        [0, 5].flatMap(price => [1_000, 10_001].map(dids => ({ type, flow, privacy, bit_order, price, dids }))),
      ),
    ),
  ),
);

describe('configuration and wire refuse the same forms of a beacon', () => {
  const standard = (): ReturnType<Folder['load']> => folder.load();

  test.each(forms)('$type $flow $privacy $bit_order, $price sat an announcement, $dids DIDs', form => {
    const { type, flow, privacy, bit_order, price, dids } = form;
    const { advert } = standard();
    const accepted = wire({
      ...advert,
      type,
      flow,
      privacy,
      bit_order,
      financials: { ...advert.financials, per_announcement: price },
      dids: { ...advert.dids, max: dids },
    });
    const settings = {
      'advert.type': type,
      'advert.flow': flow,
      'advert.privacy': privacy,
      'advert.bit_order': bit_order,
      'advert.financials.per_announcement': String(price),
      'advert.dids.max': String(dids),
    };
    const problems = folder.problems({ flags: { settings } });
    expect({ problems, accepted }).toEqual({ problems: accepted ? [] : expect.anything(), accepted });
    if (!accepted) expect(problems.length).toBeGreaterThan(0);
  });
});
