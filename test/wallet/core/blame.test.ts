import { describe, expect, test } from 'vitest';
import { type Body, type Envelope, type Message, optInStatement, signEnvelope } from '../../../src/messages/index.ts';
import { describeNews } from '../../../src/wallet/cli/news.ts';
import { draw, drawHex, publicHex, schnorr, xOnly } from '../../cohort/members.ts';
import { sign, threeDids } from './given.ts';
import { somePoint } from './wallet.ts';

/** The wallet has signed; the liar, who holds the other member's keys, can make it say anything. */
async function given() {
  const made = await threeDids();
  const { wallet, liar } = made;
  const signed = sign(made, made.good);
  const membership = wallet.membership(liar.cohort);
  const secret = draw('the other member of liar');
  const transportSecret = draw('the other transport key');
  const transport_key = xOnly(transportSecret);
  const statement = (transport: string) =>
    optInStatement({
      aggregator: membership.identity,
      network: 'regtest',
      terms_hash: membership.terms_hash,
      transport_key: transport,
    });
  const theirs = publicHex(secret);
  const seat = { transport_key, proof: schnorr(statement(transport_key), secret) };
  const say = (message: Message): Envelope =>
    signEnvelope(
      {
        ...message,
        from: transport_key,
        to: liar.terms.transport_key,
        cohort: liar.cohort,
        seq: 1,
        created_at: made.world.now,
      },
      transportSecret,
      draw('aux'),
    );
  const about = { session_id: made.good.session_id, beacon_address: liar.address };
  const nonce = say({
    type: 'nonce',
    body: { ...about, nonce_points: [[somePoint('their first'), somePoint('their second')]] },
  });
  const { agg_nonce } = signed.authorization;
  const authorization = say({ type: 'signal_authorization', body: { ...about, agg_nonce, sig: [drawHex('any')] } });
  const abort = (changes: Partial<Body<'round_aborted'>>) => {
    const body: Body<'round_aborted'> = {
      session_id: made.good.session_id,
      round: 1,
      attempt: 1,
      reason: 'invalid_signature',
      text: 'a member sent a partial signature that does not verify',
      open: true,
      blame: [theirs],
      not_heard: [],
      evidence: [nonce, authorization] as unknown as Record<string, unknown>[],
      seats: [seat],
      ...changes,
    };
    const [told] = liar.say({ type: 'round_aborted', body }).events;
    if (told?.type !== 'abort_told') throw new Error(`${told?.type}`);
    return told;
  };
  return { ...made, membership, theirs, seat, nonce, authorization, abort };
}

type Given = Awaited<ReturnType<typeof given>>;
const asRecords = (envelopes: Envelope[]) => envelopes as unknown as Record<string, unknown>[];

describe('blame that the aggregator tells of', () => {
  test('is believed where the member’s own words prove it, over the session that the wallet checked', async () => {
    const { abort, theirs, wallet, liar } = await given();
    const told = abort({});
    expect(told.blame).toMatchObject([{ participant_pk: theirs, shown: true }]);
    expect(wallet.membership(liar.cohort).last_abort?.blame).toEqual(told.blame);
    expect(describeNews(told, undefined)).toContain(`; proven: ${theirs} signed a partial signature that does not`);
  });

  const lies: [string, (given: Given) => Partial<Body<'round_aborted'>>, RegExp][] = [
    ['nothing to show', () => ({ evidence: [] }), /nothing in it/],
    ['no proof whose transport key it is', () => ({ seats: [] }), /not by the accused/],
    ['half of the words', ({ authorization }) => ({ evidence: asRecords([authorization]) }), /missing/],
    ['a session that this wallet never saw', () => ({ session_id: drawHex('unknown') }), /missing/],
    ['no session', () => ({ session_id: null }), /missing/],
    [
      'the wallet’s own honest words, and its own seat',
      ({ wallet, liar, membership }) => {
        const own = wallet.sent.filter(({ type }) => type === 'nonce' || type === 'signal_authorization');
        const joined = wallet.sent.find(each => each.type === 'opt_in');
        const proof = joined?.type === 'opt_in' ? joined.body.proof : '';
        return {
          blame: [wallet.membership(liar.cohort).participant_pk],
          seats: [{ transport_key: membership.transport, proof }],
          evidence: asRecords(own),
        };
      },
      /verifies/,
    ],
    [
      'the words of another in its name',
      ({ membership }) => ({ blame: [membership.participant_pk] }),
      /did not authorize/,
    ],
    ['somebody who is no member', () => ({ blame: [publicHex(draw('stranger'))] }), /no member/],
  ];
  test.each(lies)('is not believed with %s', async (_, lie, why) => {
    const made = await given();
    const told = made.abort(lie(made));
    expect(told.blame).toMatchObject([{ shown: false }]);
    expect(told.blame![0]!.text).toMatch(why);
    expect(describeNews(told, undefined)).toMatch(/; it blames 0[23][0-9a-f]{64} and shows nothing: /);
  });

  test('nobody blamed is nobody judged', async () => {
    const { abort } = await given();
    expect(abort({ blame: [], evidence: [], reason: 'not_heard' })).not.toHaveProperty('blame');
  });
});
