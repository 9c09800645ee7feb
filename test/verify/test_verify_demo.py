"""python3 -m unittest discover -s test/verify"""
import copy
import io
import os
import sys
import tempfile
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
import synthetic  # noqa: E402
from synthetic import v  # noqa: E402


class Options:
    def __init__(self, members=None, dids=None, rounds=None):
        self.members, self.dids, self.rounds = members, dids, rounds


def verify(files, **options):
    with tempfile.TemporaryDirectory() as folder:
        synthetic.write(files, folder)
        out = io.StringIO()
        code = v.verify_folder(folder, Options(**options), out)
        return code, out.getvalue()


SMT = synthetic.make()
CAS = synthetic.make(beacon_type='CASBeacon')
COUNTS = dict(members=3, dids=2, rounds=2)


def did_paths(files, wallet='w0'):
    return sorted(path for path in files if path.startswith('wallets/%s/' % wallet))


def updated_path(files):
    return next(path for path in files if path.startswith('wallets/') and files[path]['version_id'] == '3')


class Vectors(unittest.TestCase):
    def test_published_vectors(self):
        out = io.StringIO()
        code = v.self_test(os.path.join(HERE, '..', 'vectors'), out)
        self.assertEqual(code, 0, out.getvalue())
        self.assertNotIn('no vectors here', out.getvalue())

    def test_jcs(self):
        value = {'\ufb33': 1, '\U0001f600': 2, '\u20ac': '\u000f\n"\\/\u007f\u2028', '1': [0, -5, True, None, {}]}
        self.assertEqual(v.jcs(value).decode(), '{"1":[0,-5,true,null,{}],"\u20ac":"\\u000f\\n\\"\\\\/\u007f\u2028",'
                                                '"\U0001f600":2,"\ufb33":1}')
        for wrong in ('\ud800', 2 ** 53, 1.5):
            self.assertRaises(ValueError, v.jcs, wrong)

    def test_json_is_strict(self):
        for wrong in ('{"a":1,"a":1}', '1.0', 'NaN', '1e3'):
            self.assertRaises(ValueError, v.parse_json, wrong)

    def test_patch(self):
        def step(op, path, *value):
            return [dict({'op': op, 'path': path}, **({'value': value[0]} if value else {}))]
        document = {'a': [1, 2], 'b/~': {'c': 1}}
        self.assertEqual(v.apply_patch(document, step('add', '/a/1', 9))['a'], [1, 9, 2])
        self.assertEqual(v.apply_patch(document, step('add', '/a/-', 9))['a'], [1, 2, 9])
        self.assertEqual(v.apply_patch(document, step('remove', '/b~1~0/c'))['b/~'], {})
        for wrong in (step('add', '/a/3', 1), step('add', '/a/01', 1), step('remove', '/a/2'), step('remove', '/z'),
                      step('replace', '/z', 1), step('add', '/z/y', 1), step('add', 'a', 1), step('add', '/a'),
                      step('move', '/a', 1), step('add', '/~2', 1), step('remove', '/a/-')):
            self.assertRaises(ValueError, v.apply_patch, document, wrong)
        self.assertEqual(document, {'a': [1, 2], 'b/~': {'c': 1}})


class Honest(unittest.TestCase):
    def test_accepts(self):
        for files in (SMT, CAS, synthetic.make(order='lsb')):
            code, out = verify(files, **COUNTS)
            self.assertEqual(code, 0, out)
            self.assertRegex(out.splitlines()[-1], r'^verified: \d+ checks$')

    def test_accepts_more_rounds(self):
        code, out = verify(synthetic.make(rounds=3), rounds=3)
        self.assertEqual(code, 0, out)

    def test_counts(self):
        for name in COUNTS:
            code, out = verify(SMT, **{name: 7})
            self.assertEqual(code, 1, name)


class Forged(unittest.TestCase):
    """Each change to an honest folder must be noticed, and for its own reason."""

    def refused(self, reason, change, files=SMT):
        files = copy.deepcopy(files)
        change(files)
        code, out = verify(files)
        self.assertEqual(code, 1, 'accepted; expected %r' % reason)
        self.assertIn('failed:', out)
        self.assertIn(reason, out)

    def test_cohort(self):
        def other_key(f):
            f['cohort.json']['participant_pubkeys'][0] = synthetic.public(5).hex()
        self.refused('output_script_hex from the keys', other_key)
        self.refused('are sorted', lambda f: f['cohort.json']['participant_pubkeys'].reverse())
        self.refused('no participant key is there twice', lambda f: f['cohort.json']['participant_pubkeys'].append(
            f['cohort.json']['participant_pubkeys'][0]))
        self.refused('beacon_address from the keys', lambda f: f['cohort.json'].update(
            beacon_address=v.address_of_taproot('bitcoin', bytes.fromhex(f['cohort.json']['output_script_hex'][4:]))))
        self.refused('proof', lambda f: f['cohort.json'].update(bit_order='lsb'))

    def test_advert(self):
        def advert(**change):
            return lambda f: f['advert.json'].update(change)
        sig = SMT['advert.json']['sig']
        self.refused('signature is valid', advert(sig=sig[:-1] + ('0' if sig[-1] != '0' else '1')))
        self.refused('id is the hash', advert(created_at=1700000001))
        self.refused('exactly one tag d', advert(tags=SMT['advert.json']['tags'][1:]))
        self.refused('k DID of the event', advert(content=SMT['advert.json']['content'].replace(
            v.encode_did('k', 'regtest', b'\2' + bytes.fromhex(SMT['advert.json']['pubkey'])),
            v.encode_did('k', 'regtest', synthetic.public(5)))))

    def resigned(self, change):
        """A first round whose transaction is changed and then signed by all again."""
        def apply(files):
            round_ = files['rounds/1.json']
            tx = v.Transaction.parse(bytes.fromhex(round_['hex']))
            change(tx)
            script = bytes.fromhex(files['cohort.json']['output_script_hex'])
            spender = synthetic.output_secret([synthetic.secret('member %d' % i) for i in range(3)])
            tx.inputs[0].witness = [synthetic.sign(spender, tx.sighash(0, [(100000, script)]))]
            files['chain.json']['transactions'][1].update(hex=tx.to_bytes().hex(), txid=tx.txid())
            round_.update(hex=tx.to_bytes().hex(), txid=tx.txid())
        return apply

    def test_transactions(self):
        self.refused('version 1', self.resigned(lambda tx: setattr(tx, 'version', 1)))
        self.refused('locktime 1', self.resigned(lambda tx: setattr(tx, 'locktime', 1)))
        self.refused('sequence ffffffff', self.resigned(lambda tx: setattr(tx.inputs[0], 'sequence', 0xffffffff)))
        self.refused('fee 99', self.resigned(lambda tx: setattr(tx.outputs[0], 'value', 100000 - 99)))
        self.refused('fee 20000', self.resigned(lambda tx: setattr(tx.outputs[0], 'value', 80000)))
        self.refused('the last output is worth 0', self.resigned(lambda tx: setattr(tx.outputs[1], 'value', 1)))
        self.refused('change goes back', self.resigned(lambda tx: setattr(tx.outputs[0], 'script', b'\x51\x20' + bytes(32))))
        self.refused('OP_RETURN with signal_bytes', self.resigned(lambda tx: tx.outputs.reverse()))
        self.refused('two outputs', self.resigned(lambda tx: tx.outputs.insert(0, v.Output(1000, b'\x51'))))
        self.refused('two outputs', self.resigned(lambda tx: tx.outputs.insert(0, tx.outputs[1])))

    def test_rounds(self):
        def unsigned(f):
            tx = v.Transaction.parse(bytes.fromhex(f['rounds/1.json']['hex']))
            tx.inputs[0].witness = [bytes(64)]
            f['rounds/1.json']['hex'] = f['chain.json']['transactions'][1]['hex'] = tx.to_bytes().hex()
        self.refused('key-path signature is valid', unsigned)

        def round_(**change):
            return lambda f: f['rounds/1.json'].update(change)
        self.refused('5 confirmations', round_(confirmations=5))
        self.refused('600 confirmations', round_(confirmations=600))
        self.refused('same height', round_(height=107))
        self.refused('txid is the hash', round_(txid='00' * 32))
        self.refused('signal_bytes', round_(signal_bytes='00' * 32))
        self.refused('not lowercase hex', round_(hex=SMT['rounds/1.json']['hex'].upper()))
        self.refused('one serialization', round_(hex=SMT['rounds/1.json']['hex'] + '00'))
        self.refused('on chain as stated', lambda f: f['rounds/1.json']['prevouts'][0].update(value_sats=100001))
        self.refused('only 1.json', lambda f: f.update({'rounds/3.json': f.pop('rounds/2.json')}))
        self.refused('every spend', lambda f: f.pop('rounds/2.json'))
        self.refused('order of their heights', lambda f: f.update(
            {'rounds/1.json': f['rounds/2.json'], 'rounds/2.json': f['rounds/1.json']}))

    def test_chain(self):
        def rows(change):
            return lambda f: change(f['chain.json']['transactions'])
        self.refused('in chain.json', rows(lambda r: r.pop(1)))
        self.refused('in chain.json', rows(lambda r: r.pop(0)))
        self.refused('is there twice', rows(lambda r: r.append(r[0])))
        self.refused('mediantime', rows(lambda r: r[2].update(mediantime=5)))
        self.refused('6 deep', rows(lambda r: r[0].update(height=103)))
        self.refused('height of', lambda f: f['chain.json'].update(tip=112))

    def test_wallets(self):
        late = next(p for p in did_paths(SMT) if SMT[p]['version_id'] == '1')
        updated = updated_path(SMT)
        self.refused('data for the signal of round 1', lambda f: f[late]['sidecar']['smtProofs'].pop(0))
        self.refused('MISSING_UPDATE_DATA', lambda f: f[late]['sidecar']['smtProofs'].pop(0))
        self.refused('MISSING_UPDATE_DATA', lambda f: f[updated]['sidecar']['updates'].pop())
        self.refused('was announced', lambda f: f[late]['sidecar']['updates'].append(f[updated]['sidecar']['updates'][0]))
        self.refused('resolved 3', lambda f: f[updated].update(version_id='2'))
        self.refused('version_id is a string', lambda f: f[updated].update(version_id=3))
        self.refused('what it resolves to', lambda f: f[updated]['document'].update(extra=1))
        self.refused('hash of its genesis', lambda f: f[updated]['sidecar']['genesisDocument'].update(extra=1))
        self.refused('unknown members', lambda f: f[updated]['sidecar'].update(extra=1))
        self.refused('named for its DID', lambda f: f.update({'wallets/w0/x.json': f.pop(late)}))
        self.refused('3 participants', lambda f: [f.pop(path) for path in did_paths(f, 'w2')])
        self.refused('the root that was signed', lambda f: f.pop(updated))
        self.refused('registered after round 1', lambda f: f.pop(late))

    def test_proofs(self):
        path = updated_path(SMT)
        for change in (dict(nonce=v.b64url(bytes(32))), dict(updateId=v.b64url(bytes(32))), dict(hashes=[])):
            self.refused('INVALID_SIGNAL_DATA', lambda f: f[path]['sidecar']['smtProofs'][0].update(change))

    def test_maps(self):
        path = updated_path(CAS)
        self.refused('MISSING_UPDATE_DATA', lambda f: f[path]['sidecar']['casUpdates'].pop(), CAS)
        self.refused('MISSING_UPDATE_DATA', lambda f: f[path]['sidecar']['casUpdates'][0].clear(), CAS)

    def test_broken_folders(self):
        self.refused('wallets', lambda f: [f.pop(p) for p in list(f) if p.startswith('wallets/')])
        self.refused('rounds', lambda f: [f.pop(p) for p in list(f) if p.startswith('rounds/')])
        for path in ('cohort.json', 'advert.json', 'chain.json', 'rounds/1.json', did_paths(SMT)[0]):
            for junk in (None, [], {}, 'x'):
                code, out = verify(dict(SMT, **{path: junk}))
                self.assertEqual(code, 1, (path, junk))


class Resolving(unittest.TestCase):
    """Rules of resolution that an honest demo never meets."""

    def signals(self, *announcements, deep=True):
        """A DID and a chain in which its own beacon announced these, one a block."""
        d = synthetic.Did('own', 'SMTBeacon', SMT['cohort.json']['beacon_address'])
        script = v.script_of_address('regtest', d.genesis['service'][0]['serviceEndpoint'][8:])
        first = v.Transaction(2, [v.Input('cd' * 32, 0, b'', 0)], [v.Output(9000, script)], 0)
        rows, parent = [{'txid': first.txid(), 'tx': first, 'height': 1, 'mediantime': 1}], first
        for i, announce in enumerate(announcements):
            tx = v.Transaction(2, [v.Input(parent.txid(), 0, b'', 0)],
                               [v.Output(9000, script), v.Output(0, b'\x6a\x20' + announce(d))], 0)
            rows.append({'txid': tx.txid(), 'tx': tx, 'height': i + 2, 'mediantime': i + 2})
            parent = tx
        tip = len(rows) + (5 if deep else 4)
        return d, lambda: v.resolve(d.did, d.file()['sidecar'], v.Chain(tip, rows))

    def code_of(self, action):
        with self.assertRaises(v.Btcr2Error) as caught:
            action()
        return caught.exception.code

    def test_two_updates(self):
        d, run = self.signals(lambda d: d.update(), lambda d: d.update())
        self.assertEqual((run().version, run().document), (3, d.document))

    def test_the_same_update_twice_is_harmless(self):
        d, run = self.signals(lambda d: d.update(), lambda d: v.json_hash(d.updates[0]))
        self.assertEqual(run().version, 2)

    def test_five_confirmations_are_too_few(self):
        d, run = self.signals(lambda d: d.update(), lambda d: d.update(), deep=False)
        self.assertEqual(run().version, 2)

    def test_late_publishing(self):
        def another(d):
            d.version, d.document = 1, v.replace_placeholder(d.genesis, d.did)
            d.document = dict(d.document, alsoKnownAs=['x'])
            return d.update()
        d, run = self.signals(lambda d: d.update(), another)
        self.assertEqual(self.code_of(run), 'LATE_PUBLISHING')

        def skip(d):
            d.update()
            return d.update()
        d, run = self.signals(skip)
        self.assertEqual(self.code_of(run), 'LATE_PUBLISHING')

    def test_unknown_announcement(self):
        d, run = self.signals(lambda d: bytes(32))
        self.assertEqual(self.code_of(run), 'MISSING_UPDATE_DATA')

    def test_an_update_by_another_key(self):
        def stolen(d):
            d.secret = 5
            return d.update()
        d, run = self.signals(stolen)
        self.assertEqual(self.code_of(run), 'INVALID_DID_UPDATE')

    def test_an_update_over_another_source(self):
        def elsewhere(d):
            d.document = dict(d.document, alsoKnownAs=['x'])
            return d.update()
        d, run = self.signals(elsewhere)
        self.assertEqual(self.code_of(run), 'INVALID_DID_UPDATE')


if __name__ == '__main__':
    unittest.main()
