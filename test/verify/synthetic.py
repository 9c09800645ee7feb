"""A small demo folder made without the program, to try the verifier on. Its signing is for tests only."""
import json
import os
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', '..', 'scripts'))
import verify_demo as v  # noqa: E402

NETWORK = 'regtest'


def secret(name):
    return int.from_bytes(v.sha256(name.encode()), 'big') % v.N


def affine_of(d):
    return v._affine(v.mul_sum([(d, v.G)]))


def public(d):
    x, y = affine_of(d)
    return bytes([2 + y % 2]) + x.to_bytes(32, 'big')


def sign(d, message):
    x, y = affine_of(d)
    d = d if y % 2 == 0 else v.N - d
    k = int.from_bytes(v.tagged_hash('test/nonce', d.to_bytes(32, 'big') + message), 'big') % v.N
    rx, ry = affine_of(k)
    k = k if ry % 2 == 0 else v.N - k
    r, key = rx.to_bytes(32, 'big'), x.to_bytes(32, 'big')
    e = int.from_bytes(v.tagged_hash('BIP0340/challenge', r + key + message), 'big') % v.N
    return r + ((k + e * d) % v.N).to_bytes(32, 'big')


def output_secret(secrets):
    """The secret of the Taproot output over all members' keys: nobody has it in real life."""
    secrets = sorted(secrets, key=public)
    d = sum(a * b for a, b in zip(v.key_agg_coefficients([public(d) for d in secrets]), secrets)) % v.N
    x, y = affine_of(d)
    d = d if y % 2 == 0 else v.N - d
    return (d + v.taproot_tweak(x.to_bytes(32, 'big'))) % v.N


def prove(leaves, index, order):
    collapsed, hashes = [0] * 256, []
    for height in range(256):
        i = v.level_bit(order, height)
        above = [v.level_bit(order, h) for h in range(height + 1, 256)]
        beside = {k: leaf for k, leaf in leaves.items()
                  if v.bit_at(k, i) != v.bit_at(index, i) and all(v.bit_at(k, j) == v.bit_at(index, j) for j in above)}
        if beside:
            hashes.append(v.b64url(v.tree_root(beside, order, height)))
        else:
            collapsed[i] = 1
    return {'collapsed': v.b64url(int(''.join(map(str, collapsed)), 2).to_bytes(32, 'big')), 'hashes': hashes}


class Did:
    def __init__(self, name, beacon_type, beacon_address):
        self.secret = secret(name)
        key = v.multikey_encode(public(self.secret))
        own = v.address_of_taproot(NETWORK, v.taproot_output(public(self.secret)[1:]))
        self.genesis = {
            '@context': ['https://www.w3.org/ns/did/v1.1', 'https://btcr2.dev/context/v1'],
            'id': v.PLACEHOLDER,
            'verificationMethod': [{'id': v.PLACEHOLDER + '#key', 'type': 'Multikey', 'controller': v.PLACEHOLDER,
                                    'publicKeyMultibase': key}],
            'capabilityInvocation': ['#key'],
            'service': [
                {'id': '#own', 'type': 'SingletonBeacon', 'serviceEndpoint': 'bitcoin:' + own},
                {'id': '#shared', 'type': beacon_type, 'serviceEndpoint': 'bitcoin:' + beacon_address},
            ],
        }
        self.did = v.encode_did('x', NETWORK, v.json_hash(self.genesis))
        self.document, self.version = v.replace_placeholder(self.genesis, self.did), 1
        self.updates, self.maps, self.proofs = [], [], []

    def update(self):
        version = self.version + 1
        patch = [{'op': 'add', 'path': '/service/-', 'value': {
            'id': '#n%d' % version, 'type': 'Note "ü\n', 'serviceEndpoint': 'https://example.org/%d' % version}}]
        if version > 2:
            patch.append({'op': 'replace', 'path': '/service/2/serviceEndpoint', 'value': 'https://example.org/a~b'})
            patch.append({'op': 'remove', 'path': '/service/2'})
        after = v.apply_patch(self.document, patch)
        update = {'@context': v.UPDATE_CONTEXTS, 'patch': patch, 'targetVersionId': version,
                  'sourceHash': v.b64url(v.json_hash(self.document)), 'targetHash': v.b64url(v.json_hash(after))}
        proof = {'@context': v.UPDATE_CONTEXTS, 'type': 'DataIntegrityProof', 'cryptosuite': 'bip340-jcs-2025',
                 'verificationMethod': self.did + '#key', 'proofPurpose': 'capabilityInvocation',
                 'capability': 'urn:zcap:root:' + self.did.replace(':', '%3A'), 'capabilityAction': 'Write'}
        value = sign(self.secret, v.sha256(v.json_hash(proof) + v.json_hash(update)))
        self.updates.append(dict(update, proof=dict(proof, proofValue='z' + v.base58_encode(value))))
        self.document, self.version = after, version
        return v.json_hash(self.updates[-1])

    def file(self):
        return {'did': self.did, 'document': self.document, 'version_id': str(self.version), 'sidecar': {
            '@context': v.SIDECAR_CONTEXT, 'genesisDocument': self.genesis, 'updates': self.updates,
            'casUpdates': self.maps, 'smtProofs': self.proofs}}


def make(beacon_type='SMTBeacon', order='spec', members=3, dids=2, rounds=2):
    """The folder as {path: JSON value}."""
    secrets = [secret('member %d' % i) for i in range(members)]
    spender = output_secret(secrets)
    output = affine_of(spender)[0].to_bytes(32, 'big')
    script, address = b'\x51\x20' + output, v.address_of_taproot(NETWORK, output)
    files = {'cohort.json': {
        'network': NETWORK, 'beacon_type': beacon_type, 'bit_order': order, 'beacon_address': address,
        'participant_pubkeys': sorted(public(d).hex() for d in secrets), 'output_script_hex': script.hex()}}

    identity = secret('aggregator')
    identity = identity if affine_of(identity)[1] % 2 == 0 else v.N - identity
    event = {'pubkey': public(identity)[1:].hex(), 'created_at': 1700000000, 'kind': 38252, 'tags': [
        ['d', 'ad-1'], ['s', 'full'], ['b', beacon_type], ['n', NETWORK], ['expiration', '1800000000']]}
    event['content'] = json.dumps({'id': 'ad-1', 'transport_key': public(secret('transport'))[1:].hex(),
                                   'aggregator_did': v.encode_did('k', NETWORK, public(identity))})
    event['id'] = v.nostr_id(event).hex()
    event['sig'] = sign(identity, bytes.fromhex(event['id'])).hex()
    files['advert.json'] = event

    wallets = [[Did('did %d %d' % (w, i), beacon_type, address) for i in range(dids)] for w in range(members)]
    funding = v.Transaction(2, [v.Input('ab' * 32, 0, b'', 0xffffffff)], [v.Output(100000, script)], 0)
    chain, parent, value, height = [(funding, 101)], funding, 100000, 101
    for number in range(1, rounds + 1):
        # The last DID of each wallet is registered after round 1; one DID of one wallet changes every round.
        there = [d for wallet in wallets for d in (wallet if number > 1 else wallet[:-1])]
        announced = {d.did: d.update() for d in there
                     if d is wallets[0][0] and number < 3 or d is wallets[1][0] and number == 3}
        everyone = [d for wallet in wallets for d in wallet]
        if beacon_type == 'CASBeacon':
            listing = {did: v.b64url(one) for did, one in announced.items()}
            signal = v.json_hash(listing)
            for d in everyone:
                d.maps.append(listing)
        else:
            nonces = {d.did: v.sha256(('nonce %s %d' % (d.did, number)).encode()) for d in there}
            leaves = {v.did_index(d.did): v.leaf_value(nonces[d.did], announced.get(d.did)) for d in there}
            signal = v.tree_root(leaves, order)
            for d in everyone:
                proof = dict(prove(leaves, v.did_index(d.did), order), id=v.b64url(signal))
                if d.did in nonces:
                    proof['nonce'] = v.b64url(nonces[d.did])
                if d.did in announced:
                    proof['updateId'] = v.b64url(announced[d.did])
                d.proofs.append(proof)
        tx = v.Transaction(2, [v.Input(parent.txid(), 0, b'', v.SEQUENCE)],
                           [v.Output(value - 500, script), v.Output(0, b'\x6a\x20' + signal)], 0)
        tx.inputs[0].witness = [sign(spender, tx.sighash(0, [(value, script)]))]
        height += 7
        chain.append((tx, height))
        files['rounds/%d.json' % number] = {
            'session_id': v.sha256(b'session %d' % number).hex(), 'txid': tx.txid(), 'hex': tx.to_bytes().hex(),
            'prevouts': [{'txid': parent.txid(), 'vout': 0, 'value_sats': value, 'script_hex': script.hex()}],
            'signal_bytes': signal.hex(), 'block_hash': v.sha256(b'block %d' % height).hex(), 'height': height,
            'confirmations': 6}
        parent, value = tx, value - 500
    files['chain.json'] = {'tip': height + 5, 'transactions': [
        {'txid': tx.txid(), 'hex': tx.to_bytes().hex(), 'height': at, 'mediantime': 1700000000 + at} for tx, at in chain]}
    for w, wallet in enumerate(wallets):
        for d in wallet:
            files['wallets/w%d/%s.json' % (w, d.did.replace(':', '_'))] = d.file()
    return files


def write(files, folder):
    for path, value in files.items():
        os.makedirs(os.path.dirname(os.path.join(folder, path)), exist_ok=True)
        with open(os.path.join(folder, path), 'w', encoding='utf-8') as file:
            json.dump(value, file, ensure_ascii=False)
