import type { Terms } from '../../../messages/index.ts';
import { duration, plural, relativeTime, sats, shortId, table } from '../../../operator/terminal.ts';
import type { AdvertView } from '../../api.ts';
import { ADVERT_SOURCE, advertSource, findAdverts, networkFlag } from '../advert-source.ts';
import { type Command, EXIT, isSet, NETWORKING, textFlag } from '../command.ts';
import { hint, paintOf, type Reader, writeJson } from '../io.ts';
import { withWallet } from '../open.ts';

export const discover: Command = {
  name: 'discover',
  arguments: [],
  summary: 'list the adverts of aggregators, verified',
  details: [
    'Every advert that is listed carries a valid signature by the key of the aggregator DID that it names. That says who',
    'offers the cohort, not whether they can be trusted to keep it running. --file and --link take what an aggregator',
    'exported: the event of an advert, its document, or its nostr+btcr2:// string.',
  ].join('\n'),
  options: {
    network: { type: 'string', value: 'NET', help: "another network than the wallet's" },
    all: { type: 'boolean', help: 'also those that are full, closed, cancelled or over' },
    link: { type: 'string', value: 'LINK', help: 'read the advert of a nostr+btcr2:// string instead of from relays' },
    ...ADVERT_SOURCE,
    ...NETWORKING,
  },
  async run(invocation) {
    const network = networkFlag(invocation);
    const query = { all: isSet(invocation, 'all'), ...(network === undefined ? {} : { network }) };
    const source = advertSource(invocation, textFlag(invocation, 'link'));
    const adverts = await withWallet(invocation, { online: source.from === 'relays' }, ({ port }) =>
      findAdverts(invocation, port, source, query),
    );
    if (invocation.json) writeJson(invocation, adverts.map(jsonOf));
    else if (adverts.length === 0) hint(invocation, query.all ? 'no adverts' : 'no open adverts; see --all');
    else {
      invocation.io.out.write(advertTable(adverts, invocation));
      hint(invocation, `${plural(adverts.length, 'advert')}; join one with: btcr2-wallet join ID`);
    }
    return EXIT.ok;
  },
};

/** Only what verifies is ever in this list, so every entry says so: a reader of the JSON need not know that. */
const jsonOf = ({ advert, open }: AdvertView) => ({
  advert_id: advert.terms.id,
  cohort: advert.cohort,
  open,
  status: advert.status,
  expires_at: advert.expires_at,
  aggregator: advert.terms.aggregator_did,
  identity: advert.identity,
  verified: true,
  terms: advert.terms,
  terms_hash: advert.terms_hash,
  relays: advert.relays,
  event: advert.event,
});

/** The beacon, and what is out of the ordinary about it. */
const formOf = ({ type, flow, privacy, bit_order }: Terms): string =>
  [
    type,
    ...(flow === 'pull' ? ['pull'] : []),
    ...(privacy === 'blinded' ? ['blinded'] : []),
    ...(bit_order === 'lsb' ? ['lsb'] : []),
  ].join(', ');

function advertTable(adverts: readonly AdvertView[], reader: Reader): string {
  const columns = [
    { title: 'ADVERT' },
    { title: 'COHORT' },
    { title: 'TYPE' },
    { title: 'NETWORK' },
    { title: 'SEATS', align: 'right' as const },
    { title: 'FEE CAP', align: 'right' as const },
    { title: 'EVERY', align: 'right' as const },
    { title: 'OFFER ENDS' },
    { title: 'STATUS' },
    { title: 'VERIFIED' },
    { title: 'AGGREGATOR' },
  ];
  const rows = adverts.map(({ advert, open }) => {
    const { terms } = advert;
    const { min, max } = terms.cohort_size;
    return [
      terms.id,
      shortId(advert.cohort),
      formOf(terms),
      terms.btc_network,
      min === max ? String(min) : `${min}–${max}`,
      sats(terms.fee_cap),
      duration(terms.frequency.interval),
      relativeTime(advert.expires_at, reader.io.now()),
      { text: advert.status, style: open ? ('green' as const) : ('dim' as const) },
      'yes',
      terms.aggregator_did,
    ];
  });
  return table(columns, rows, paintOf(reader));
}
