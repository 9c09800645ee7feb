#!/usr/bin/env python3
"""An independent check of what the demo leaves behind.

    python3 scripts/verify_demo.py DIR [--members N --dids N --rounds N]
    python3 scripts/verify_demo.py --self-test VECTORS

Written from the BIPs and the did:btcr2 method alone; it shares no code with the program under test and
needs nothing but Python 3.9. It trusts nothing in the folder: addresses, transactions, signatures, proofs
and documents are all computed again. Speed and secrecy are no aim of it: never sign anything with this code.
"""
import argparse
import base64
import copy
import csv
import hashlib
import json
import os
import re
import sys
import urllib.parse

# ---------------------------------------------------------------- hashes, encodings


def sha256(data):
    return hashlib.sha256(data).digest()


_TAGS = {}


def tagged_hash(tag, data):
    """BIP-340."""
    if tag not in _TAGS:
        _TAGS[tag] = sha256(tag.encode()) * 2
    return sha256(_TAGS[tag] + data)


def unhex(text, size=None):
    """Lowercase hex only, so that a value has one spelling."""
    if not isinstance(text, str) or not re.fullmatch(r'(?:[0-9a-f]{2})*', text):
        raise ValueError('not lowercase hex: %r' % (text,))
    data = bytes.fromhex(text)
    if size is not None and len(data) != size:
        raise ValueError('%d bytes of hex, expected %d' % (len(data), size))
    return data


def b64url(data):
    return base64.urlsafe_b64encode(data).rstrip(b'=').decode()


def unb64url(text, size=None):
    """base64url without padding; refuses what encoding would not have written (stray low bits)."""
    if not isinstance(text, str) or not re.fullmatch(r'[A-Za-z0-9_-]*', text):
        raise ValueError('not base64url: %r' % (text,))
    data = base64.urlsafe_b64decode(text + '=' * (-len(text) % 4))
    if b64url(data) != text:
        raise ValueError('not canonical base64url: %r' % (text,))
    if size is not None and len(data) != size:
        raise ValueError('%d bytes of base64url, expected %d' % (len(data), size))
    return data


B58 = '123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz'


def base58_encode(data):
    number = int.from_bytes(data, 'big')
    out = ''
    while number:
        number, digit = divmod(number, 58)
        out = B58[digit] + out
    return '1' * (len(data) - len(data.lstrip(b'\0'))) + out


def base58_decode(text):
    number = 0
    for char in text:
        if char not in B58:
            raise ValueError('not base58: %r' % text)
        number = number * 58 + B58.index(char)
    zeros = len(text) - len(text.lstrip('1'))
    return b'\0' * zeros + number.to_bytes((number.bit_length() + 7) // 8, 'big')


def multibase_decode(text, size):
    """Multibase with the one base that Multikeys and proofs use, base58btc."""
    if not isinstance(text, str) or not text.startswith('z'):
        raise ValueError('not multibase base58btc: %r' % (text,))
    data = base58_decode(text[1:])
    if len(data) != size:
        raise ValueError('multibase value of %d bytes, expected %d' % (len(data), size))
    return data


def multikey_decode(text):
    """A secp256k1 Multikey as its 33-byte compressed key."""
    data = multibase_decode(text, 35)
    if data[:2] != b'\xe7\x01':
        raise ValueError('not a secp256k1 Multikey: %r' % text)
    point_of(data[2:])
    return data[2:]


def multikey_encode(key):
    return 'z' + base58_encode(b'\xe7\x01' + key)


# ---------------------------------------------------------------- bech32 and bech32m (BIP-173, BIP-350)

BECH = 'qpzry9x8gf2tvdw0s3jn54khce6mua7l'
BECH32, BECH32M = 1, 0x2bc830a3


def _polymod(values):
    check = 1
    for value in values:
        top = check >> 25
        check = (check & 0x1ffffff) << 5 ^ value
        for i, generator in enumerate((0x3b6a57b2, 0x26508e6d, 0x1ea119fa, 0x3d4233dd, 0x2a1462b3)):
            if top >> i & 1:
                check ^= generator
    return check


def _expand(hrp):
    return [ord(c) >> 5 for c in hrp] + [0] + [ord(c) & 31 for c in hrp]


def bech_encode(hrp, words, constant):
    checked = _polymod(_expand(hrp) + words + [0] * 6) ^ constant
    return hrp + '1' + ''.join(BECH[w] for w in words + [checked >> 5 * (5 - i) & 31 for i in range(6)])


def bech_decode(text):
    """(hrp, words, constant); upper case is refused although BIP-173 allows it: nothing here writes it."""
    if not isinstance(text, str) or text != text.lower() or any(not 33 <= ord(c) <= 126 for c in text):
        raise ValueError('not bech32: %r' % (text,))
    hrp, separator, rest = text.rpartition('1')
    if not separator or not hrp or len(rest) < 6 or len(text) > 90 or any(c not in BECH for c in rest):
        raise ValueError('not bech32: %r' % text)
    words = [BECH.index(c) for c in rest]
    constant = _polymod(_expand(hrp) + words)
    if constant not in (BECH32, BECH32M):
        raise ValueError('wrong bech32 checksum: %r' % text)
    return hrp, words[:-6], constant


def to_words(data):
    bits, number, out = 0, 0, []
    for byte in data:
        number, bits = number << 8 | byte, bits + 8
        while bits >= 5:
            bits -= 5
            out.append(number >> bits & 31)
    return out + ([number << (5 - bits) & 31] if bits else [])


def from_words(words):
    bits, number, out = 0, 0, bytearray()
    for word in words:
        number, bits = number << 5 | word, bits + 5
        if bits >= 8:
            bits -= 8
            out.append(number >> bits & 255)
    if bits >= 5 or number & ((1 << bits) - 1):
        raise ValueError('bad bech32 padding')
    return bytes(out)


# ---------------------------------------------------------------- JCS (RFC 8785)


class Repeated(ValueError):
    pass


def _unique(pairs):
    out = {}
    for key, value in pairs:
        if key in out:
            raise Repeated('a JSON object names %r twice' % key)
        out[key] = value
    return out


def _no_number(text):
    raise ValueError('a number that this format does not have: %s' % text)


def parse_json(text, floats=False):
    """Strict: no repeated names, no NaN, and (unless allowed) no number but integers."""
    return json.loads(text, object_pairs_hook=_unique, parse_constant=_no_number,
                      parse_float=float if floats else _no_number)


_ESCAPES = {'"': '\\"', '\\': '\\\\', '\b': '\\b', '\t': '\\t', '\n': '\\n', '\f': '\\f', '\r': '\\r'}


def _jcs_string(text):
    out = ''.join(_ESCAPES.get(c) or ('\\u%04x' % ord(c) if c < ' ' else c) for c in text)
    out.encode('utf-8')  # a lone surrogate has no canonical form
    return '"' + out + '"'


def _jcs(value):
    if value is None:
        return 'null'
    if value is True or value is False:
        return 'true' if value else 'false'
    if isinstance(value, str):
        return _jcs_string(value)
    if isinstance(value, int):
        if abs(value) > 2 ** 53 - 1:
            raise ValueError('an integer that JSON cannot carry exactly: %d' % value)
        return str(value)
    if isinstance(value, list):
        return '[' + ','.join(map(_jcs, value)) + ']'
    if isinstance(value, dict):
        names = sorted(value, key=lambda name: name.encode('utf-16-be', 'surrogatepass'))
        return '{' + ','.join(_jcs_string(name) + ':' + _jcs(value[name]) for name in names) + '}'
    raise ValueError('no canonical form here for %s' % type(value).__name__)


def jcs(value):
    return _jcs(value).encode('utf-8')


def json_hash(value):
    """JSON Document Hashing."""
    return sha256(jcs(value))


# ---------------------------------------------------------------- secp256k1, Jacobian

P = 2 ** 256 - 2 ** 32 - 977
N = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
G = (0x79BE667EF9DCBBAC55A06295CE870B07029BFCDB2DCE28D959F2815B16F81798,
     0x483ADA7726A3C4655DA4FBFC0E1108A8FD17B448A68554199C47D08FFB10D4B8)
INFINITY = (1, 1, 0)


def _double(a):
    x, y, z = a
    if z == 0 or y == 0:
        return INFINITY
    yy = y * y % P
    s = 4 * x * yy % P
    m = 3 * x * x % P
    x3 = (m * m - 2 * s) % P
    return x3, (m * (s - x3) - 8 * yy * yy) % P, 2 * y * z % P


def _add(a, b):
    x1, y1, z1 = a
    x2, y2, z2 = b
    if z1 == 0:
        return b
    if z2 == 0:
        return a
    z1z1, z2z2 = z1 * z1 % P, z2 * z2 % P
    u1, u2 = x1 * z2z2 % P, x2 * z1z1 % P
    s1, s2 = y1 * z2 * z2z2 % P, y2 * z1 * z1z1 % P
    if u1 == u2:
        return _double(a) if s1 == s2 else INFINITY
    h, r = u2 - u1, s2 - s1
    hh = h * h % P
    hhh, v = h * hh % P, u1 * hh % P
    x3 = (r * r - hhh - 2 * v) % P
    return x3, (r * (v - x3) - s1 * hhh) % P, z1 * z2 * h % P


def _affine(a):
    """(x, y), or None for the point at infinity."""
    if a[2] == 0:
        return None
    inverse = pow(a[2], -1, P)
    square = inverse * inverse % P
    return a[0] * square % P, a[1] * square * inverse % P


def _naf(k):
    """Signed odd digits of width 5, lowest first."""
    out = []
    while k:
        digit = 0
        if k & 1:
            digit = k & 31
            digit -= 32 if digit > 16 else 0
            k -= digit
        out.append(digit)
        k >>= 1
    return out


_MULTIPLES = {}


def _odd_multiples(point):
    if point not in _MULTIPLES:
        base = (point[0], point[1], 1)
        twice, row = _double(base), [base]
        for _ in range(7):
            row.append(_add(row[-1], twice))
        _MULTIPLES[point] = row
    return _MULTIPLES[point]


def mul_sum(pairs):
    """The sum of k·P over pairs (k, affine P), Jacobian."""
    rows = [(_naf(k % N), _odd_multiples(point)) for k, point in pairs]
    total = INFINITY
    for i in range(max((len(naf) for naf, _ in rows), default=0) - 1, -1, -1):
        total = _double(total)
        for naf, row in rows:
            digit = naf[i] if i < len(naf) else 0
            if digit > 0:
                total = _add(total, row[digit >> 1])
            elif digit < 0:
                x, y, z = row[-digit >> 1]
                total = _add(total, (x, P - y, z))
    return total


def lift_x(data):
    """The even point of a 32-byte x (BIP-340), or ValueError."""
    x = int.from_bytes(data, 'big')
    if len(data) != 32 or x >= P:
        raise ValueError('x is not a field element')
    square = (pow(x, 3, P) + 7) % P
    y = pow(square, (P + 1) // 4, P)
    if y * y % P != square:
        raise ValueError('x is on no point of the curve')
    return x, y if y % 2 == 0 else P - y


def point_of(key):
    """The point of a 33-byte compressed key, or ValueError."""
    if len(key) != 33 or key[0] not in (2, 3):
        raise ValueError('not a compressed key')
    x, y = lift_x(key[1:])
    return x, y if key[0] == 2 else P - y


_VERIFIED = {}


def schnorr_verify(key, message, signature):
    """BIP-340; messages of any length."""
    memo = (key, message, signature)
    if memo not in _VERIFIED:
        _VERIFIED[memo] = _schnorr_verify(key, message, signature)
    return _VERIFIED[memo]


def _schnorr_verify(key, message, signature):
    if len(key) != 32 or len(signature) != 64:
        return False
    try:
        point = lift_x(key)
    except ValueError:
        return False
    r, s = int.from_bytes(signature[:32], 'big'), int.from_bytes(signature[32:], 'big')
    if r >= P or s >= N:
        return False
    e = int.from_bytes(tagged_hash('BIP0340/challenge', signature[:32] + key + message), 'big') % N
    found = _affine(mul_sum([(s, G), (N - e, point)]))
    return found is not None and found[1] % 2 == 0 and found[0] == r


# ---------------------------------------------------------------- MuSig2 keys (BIP-327), Taproot (BIP-341)


def key_sort(keys):
    return sorted(keys)


def key_agg_coefficients(keys):
    listed = tagged_hash('KeyAgg list', b''.join(keys))
    second = next((key for key in keys if key != keys[0]), None)
    return [1 if key == second else
            int.from_bytes(tagged_hash('KeyAgg coefficient', listed + key), 'big') % N for key in keys]


def key_agg(keys):
    """The aggregate point of 33-byte keys, in the order given."""
    point = _affine(mul_sum(list(zip(key_agg_coefficients(keys), map(point_of, keys)))))
    if point is None:
        raise ValueError('the keys aggregate to infinity')
    return point


def taproot_tweak(internal, merkle_root=b''):
    tweak = int.from_bytes(tagged_hash('TapTweak', internal + merkle_root), 'big')
    if tweak >= N:
        raise ValueError('the tweak is no scalar')
    return tweak


def taproot_output(internal, merkle_root=b''):
    """The x-only output key over a 32-byte internal key; an empty root means key path only."""
    point = _affine(mul_sum([(1, lift_x(internal)), (taproot_tweak(internal, merkle_root), G)]))
    if point is None:
        raise ValueError('the output key is infinity')
    return point[0].to_bytes(32, 'big')


# DID network number, bech32 prefix, base58 versions (pubkey hash, script hash).
NETWORKS = {
    'bitcoin': (0, 'bc', (0x00, 0x05)), 'signet': (1, 'tb', (0x6f, 0xc4)), 'regtest': (2, 'bcrt', (0x6f, 0xc4)),
    'testnet3': (3, 'tb', (0x6f, 0xc4)), 'testnet4': (4, 'tb', (0x6f, 0xc4)), 'mutinynet': (5, 'tb', (0x6f, 0xc4)),
}


def address_of_taproot(network, output_key):
    return bech_encode(NETWORKS[network][1], [1] + to_words(output_key), BECH32M)


def script_of_address(network, address):
    _, hrp, (pubkey_hash, script_hash) = NETWORKS[network]
    if address.startswith(hrp + '1'):
        found, words, constant = bech_decode(address)
        program = from_words(words[1:])
        version = words[0]
        fits = len(program) in (20, 32) if version == 0 else 2 <= len(program) <= 40
        if found != hrp or version > 16 or not fits or constant != (BECH32M if version else BECH32):
            raise ValueError('not a segwit address: %s' % address)
        return bytes([version + 0x50 if version else 0, len(program)]) + program
    data = base58_decode(address)
    if len(data) != 25 or sha256(sha256(data[:21]))[:4] != data[21:]:
        raise ValueError('not an address: %s' % address)
    if data[0] == pubkey_hash:
        return b'\x76\xa9\x14' + data[1:21] + b'\x88\xac'
    if data[0] == script_hash:
        return b'\xa9\x14' + data[1:21] + b'\x87'
    raise ValueError('an address of another network: %s' % address)


# ---------------------------------------------------------------- transactions


class Reader:
    def __init__(self, data):
        self.data, self.at = data, 0

    def take(self, size):
        if self.at + size > len(self.data):
            raise ValueError('the transaction ends early')
        self.at += size
        return self.data[self.at - size:self.at]

    def integer(self, size):
        return int.from_bytes(self.take(size), 'little')

    def compact(self):
        first = self.integer(1)
        if first < 253:
            return first
        size = {253: 2, 254: 4, 255: 8}[first]
        value = self.integer(size)
        if value < {2: 253, 4: 1 << 16, 8: 1 << 32}[size]:
            raise ValueError('a length that is not minimal')
        return value

    def string(self):
        return self.take(self.compact())


def compact(value):
    if value < 253:
        return bytes([value])
    for marker, size in ((253, 2), (254, 4), (255, 8)):
        if value < 1 << 8 * size:
            return bytes([marker]) + value.to_bytes(size, 'little')
    raise ValueError('too long')


def string(data):
    return compact(len(data)) + data


class Input:
    def __init__(self, txid, vout, script_sig, sequence):
        self.txid, self.vout, self.script_sig, self.sequence = txid, vout, script_sig, sequence
        self.witness = []

    def outpoint_bytes(self):
        return bytes.fromhex(self.txid)[::-1] + self.vout.to_bytes(4, 'little')


class Output:
    def __init__(self, value, script):
        self.value, self.script = value, script

    def to_bytes(self):
        return self.value.to_bytes(8, 'little') + string(self.script)


class Transaction:
    def __init__(self, version, inputs, outputs, locktime):
        self.version, self.inputs, self.outputs, self.locktime = version, inputs, outputs, locktime

    @staticmethod
    def parse(data):
        reader = Reader(data)
        version = reader.integer(4)
        segwit = data[4:6] == b'\0\1'
        if segwit:
            reader.take(2)
        inputs = [Input(reader.take(32)[::-1].hex(), reader.integer(4), reader.string(), reader.integer(4))
                  for _ in range(reader.compact())]
        outputs = [Output(reader.integer(8), reader.string()) for _ in range(reader.compact())]
        if segwit:
            for one in inputs:
                one.witness = [reader.string() for _ in range(reader.compact())]
        made = Transaction(version, inputs, outputs, reader.integer(4))
        if reader.at != len(data) or made.to_bytes() != data:
            raise ValueError('not a transaction in its one serialization')
        return made

    def to_bytes(self, witness=True):
        segwit = witness and any(one.witness for one in self.inputs)
        out = [self.version.to_bytes(4, 'little'), b'\0\1' if segwit else b'', compact(len(self.inputs))]
        out += [i.outpoint_bytes() + string(i.script_sig) + i.sequence.to_bytes(4, 'little') for i in self.inputs]
        out += [compact(len(self.outputs))] + [o.to_bytes() for o in self.outputs]
        if segwit:
            out += [compact(len(i.witness)) + b''.join(map(string, i.witness)) for i in self.inputs]
        return b''.join(out) + self.locktime.to_bytes(4, 'little')

    def txid(self):
        return sha256(sha256(self.to_bytes(witness=False)))[::-1].hex()

    def is_coinbase(self):
        return len(self.inputs) == 1 and self.inputs[0].outpoint_bytes() == b'\0' * 32 + b'\xff' * 4

    def sighash(self, index, spent):
        """BIP-341, SIGHASH_DEFAULT, key path, no annex. spent: (value, script) of every input."""
        parts = [
            b'\0',
            self.version.to_bytes(4, 'little'), self.locktime.to_bytes(4, 'little'),
            sha256(b''.join(i.outpoint_bytes() for i in self.inputs)),
            sha256(b''.join(value.to_bytes(8, 'little') for value, _ in spent)),
            sha256(b''.join(string(script) for _, script in spent)),
            sha256(b''.join(i.sequence.to_bytes(4, 'little') for i in self.inputs)),
            sha256(b''.join(o.to_bytes() for o in self.outputs)),
            b'\0', index.to_bytes(4, 'little'),
        ]
        return tagged_hash('TapSighash', b'\0' + b''.join(parts))


def signal_bytes(transaction):
    """The 32 bytes of a last output `OP_RETURN <32 bytes>`, or None."""
    script = transaction.outputs[-1].script if transaction.outputs else b''
    return script[2:] if len(script) == 34 and script[:2] == b'\x6a\x20' else None


# ---------------------------------------------------------------- the sparse Merkle tree

ZERO = [sha256(bytes(64))]
for _ in range(256):
    ZERO.append(sha256(ZERO[-1] * 2))


def bit_at(data, i):
    return data[i >> 3] >> (7 - (i & 7)) & 1


def level_bit(order, height):
    """Which bitAt() the pairing of two subtrees of this height looks at."""
    return 255 - height if order == 'spec' else height


def did_index(did):
    return sha256(did.encode('utf-8'))


def leaf_value(nonce, announcement):
    if nonce is None:
        return ZERO[0] if announcement is None else announcement
    return sha256(sha256(nonce) + announcement) if announcement is not None else sha256(sha256(nonce))


def proof_leaf(proof):
    nonce = unb64url(proof['nonce']) if 'nonce' in proof else None
    return leaf_value(nonce, unb64url(proof['updateId'], 32) if 'updateId' in proof else None)


def verify_proof(proof, index, order='spec'):
    """True if the SMT Proof leads from the leaf at index to its id; malformed proofs are false."""
    try:
        root, collapsed = unb64url(proof['id'], 32), unb64url(proof['collapsed'], 32)
        hashes = [unb64url(one, 32) for one in proof['hashes']]
        node = proof_leaf(proof)
    except (KeyError, TypeError, ValueError):
        return False
    if len(hashes) + bin(int.from_bytes(collapsed, 'big')).count('1') != 256:
        return False
    rest = iter(hashes)
    for height in range(256):
        i = level_bit(order, height)
        if bit_at(collapsed, i):
            sibling = ZERO[height]
        else:
            sibling = next(rest)
            if sibling == ZERO[height]:
                return False
        node = sha256(sibling + node if bit_at(index, i) else node + sibling)
    return node == root


def tree_root(leaves, order='spec', height=256):
    """The root over {index: leaf value}."""
    if not leaves:
        return ZERO[height]
    if height == 0:
        return next(iter(leaves.values()))
    i = level_bit(order, height - 1)
    left = {index: leaf for index, leaf in leaves.items() if not bit_at(index, i)}
    right = {index: leaf for index, leaf in leaves.items() if bit_at(index, i)}
    return sha256(tree_root(left, order, height - 1) + tree_root(right, order, height - 1))


# ---------------------------------------------------------------- did:btcr2

PLACEHOLDER = 'did:btcr2:_'
SIDECAR_CONTEXT = 'https://btcr2.dev/context/v1'
UPDATE_CONTEXTS = ['https://w3id.org/json-ld-patch/v1', 'https://w3id.org/zcap/v1',
                   'https://w3id.org/security/data-integrity/v2', 'https://btcr2.dev/context/v1']
BEACONS = ('SingletonBeacon', 'CASBeacon', 'SMTBeacon')


class Btcr2Error(Exception):
    def __init__(self, code, why):
        super().__init__('%s: %s' % (code, why))
        self.code = code


def encode_did(kind, network, genesis):
    """kind k (33-byte key) or x (sha256 of a genesis document), version 1."""
    return 'did:btcr2:' + bech_encode(kind, to_words(bytes([NETWORKS[network][0]]) + genesis), BECH32M)


def decode_did(did):
    """(kind, network, genesis bytes) of an identifier; decoding inverts encoding exactly."""
    try:
        if not did.startswith('did:btcr2:'):
            raise ValueError('another method')
        kind, words, constant = bech_decode(did[10:])
        data = from_words(words)
        if constant != BECH32M or kind not in ('k', 'x') or len(data) != (34 if kind == 'k' else 33):
            raise ValueError('not a key or a document')
        network = next((name for name, row in NETWORKS.items() if row[0] == data[0]), None)
        if network is None:
            raise ValueError('unknown version or network')
        if kind == 'k':
            point_of(data[1:])
        if encode_did(kind, network, data[1:]) != did:
            raise ValueError('not in its one spelling')
        return kind, network, data[1:]
    except (ValueError, AttributeError) as error:
        raise Btcr2Error('INVALID_DID', str(error))


def replace_placeholder(value, did):
    if isinstance(value, str):
        return value.replace(PLACEHOLDER, did)
    if isinstance(value, list):
        return [replace_placeholder(one, did) for one in value]
    if isinstance(value, dict):
        return {replace_placeholder(k, did): replace_placeholder(v, did) for k, v in value.items()}
    return value


def apply_patch(document, patch):
    """RFC 6902: add, replace and remove, on a copy."""
    document = copy.deepcopy(document)
    if not isinstance(patch, list):
        raise ValueError('a patch is an array')
    for step in patch:
        op, path = step['op'], step['path']
        if op not in ('add', 'replace', 'remove'):
            raise ValueError('an operation that is not used here: %r' % (op,))
        if not isinstance(path, str) or (path and path[0] != '/') or re.search(r'~(?![01])', path):
            raise ValueError('not a JSON pointer: %r' % (path,))
        if op != 'remove' and 'value' not in step:
            raise ValueError('%s without a value' % op)
        value = copy.deepcopy(step.get('value'))
        if path == '':
            if op == 'remove':
                raise ValueError('the whole document cannot be removed')
            document = value
            continue
        keys = [part.replace('~1', '/').replace('~0', '~') for part in path[1:].split('/')]
        target = document
        for key in keys[:-1]:
            target = target[_array_index(key, len(target) - 1)] if isinstance(target, list) else _member(target, key)
        last = keys[-1]
        if isinstance(target, list):
            if op == 'add':
                target.insert(len(target) if last == '-' else _array_index(last, len(target)), value)
            elif op == 'replace':
                target[_array_index(last, len(target) - 1)] = value
            else:
                del target[_array_index(last, len(target) - 1)]
        elif isinstance(target, dict):
            if op != 'add':
                _member(target, last)
            if op == 'remove':
                del target[last]
            else:
                target[last] = value
        else:
            raise ValueError('nothing at %r' % path)
    return document


def _array_index(text, largest):
    if not re.fullmatch(r'0|[1-9][0-9]*', text) or int(text) > largest:
        raise ValueError('no element %r' % text)
    return int(text)


def _member(target, key):
    if not isinstance(target, dict) or key not in target:
        raise ValueError('no member %r' % key)
    return target[key]


def absolute(document, reference):
    return document['id'] + reference if isinstance(reference, str) and reference.startswith('#') else reference


def invocation_key(document, reference):
    """The 33-byte key that reference names, if the document lets it invoke capabilities."""
    wanted = absolute(document, reference)
    for entry in document.get('capabilityInvocation', []):
        if isinstance(entry, dict):
            if absolute(document, entry.get('id')) == wanted:
                return _multikey_of(entry)
        elif absolute(document, entry) == wanted:
            for method in document.get('verificationMethod', []):
                if absolute(document, method.get('id')) == wanted:
                    return _multikey_of(method)
    raise ValueError('%r may not invoke capabilities' % (reference,))


def _multikey_of(method):
    if method.get('type') != 'Multikey':
        raise ValueError('not a Multikey')
    return multikey_decode(method['publicKeyMultibase'])


def verify_jcs_proof(secured, key):
    """bip340-jcs-2025 over a document with its proof; key 33 bytes."""
    unsecured = {name: value for name, value in secured.items() if name != 'proof'}
    config = {name: value for name, value in secured['proof'].items() if name != 'proofValue'}
    digest = sha256(json_hash(config) + json_hash(unsecured))
    return schnorr_verify(key[1:], digest, multibase_decode(secured['proof']['proofValue'], 64))


def apply_update(document, update, version):
    """The document after an update that would make it version + 1; anything wrong is INVALID_DID_UPDATE."""
    try:
        proof = update['proof']
        if update['@context'] != UPDATE_CONTEXTS or proof['@context'] != UPDATE_CONTEXTS:
            raise ValueError('another @context')
        if update['targetVersionId'] != version + 1:
            raise ValueError('not the next version')
        if proof['type'] != 'DataIntegrityProof' or proof['cryptosuite'] != 'bip340-jcs-2025':
            raise ValueError('another kind of proof')
        if proof['proofPurpose'] != 'capabilityInvocation' or proof['capabilityAction'] != 'Write':
            raise ValueError('another purpose or action')
        if proof['capability'] != 'urn:zcap:root:' + urllib.parse.quote(document['id'], safe="-_.!~*'()"):
            raise ValueError('another capability')
        if not verify_jcs_proof(update, invocation_key(document, proof['verificationMethod'])):
            raise ValueError('the proof does not verify')
        if unb64url(update['sourceHash'], 32) != json_hash(document):
            raise ValueError('sourceHash is of another document')
        changed = apply_patch(document, update['patch'])
        if not isinstance(changed, dict) or changed.get('id') != document['id']:
            raise ValueError('the patch changes the identifier')
        if unb64url(update['targetHash'], 32) != json_hash(changed):
            raise ValueError('targetHash is of another document')
        return changed
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise Btcr2Error('INVALID_DID_UPDATE', repr(error))


class Chain:
    """Transactions with heights, as chain.json has them; spends are found through the outputs they spend."""

    def __init__(self, tip, rows):
        self.tip, self.rows, self.by_txid = tip, sorted(rows, key=lambda row: row['height']), {}
        for row in self.rows:
            self.by_txid[row['txid']] = row

    def prevout(self, one):
        row = self.by_txid.get(one.txid)
        outputs = row['tx'].outputs if row else []
        return outputs[one.vout] if one.vout < len(outputs) else None

    def spends(self, script):
        """Every transaction that spends from the script, oldest first."""
        return [row for row in self.rows
                if any((self.prevout(one) or Output(0, b'')).script == script for one in row['tx'].inputs)]

    def signals(self, script, from_height, min_conf):
        """(height, mediantime, signal bytes) of every signal of that script, deep enough."""
        found = []
        for row in self.spends(script):
            data = signal_bytes(row['tx'])
            if data is not None and row['height'] >= from_height and self.tip - row['height'] + 1 >= min_conf:
                found.append((row['height'], row['mediantime'], data))
        return found


class Resolution:
    def __init__(self, document, version, steps, signals):
        self.document, self.version = document, version
        self.steps = steps  # (document before, update, version before), for tests by the caller
        self.signals = signals  # signal bytes of aggregate beacons that were looked at


def beacon_services(document):
    for service in document.get('service', []):
        endpoint = service.get('serviceEndpoint')
        if service.get('type') in BEACONS and isinstance(endpoint, str) and endpoint.startswith('bitcoin:'):
            yield service['type'], endpoint[len('bitcoin:'):]


def resolve(did, sidecar, chain, order='spec', min_conf=6):
    """The newest version of an external DID, from sidecar and chain alone."""
    kind, network, genesis_hash = decode_did(did)
    if kind != 'x':
        raise Btcr2Error('INVALID_DID', 'this verifier resolves DIDs that have a genesis document')
    genesis = sidecar.get('genesisDocument')
    if not isinstance(genesis, dict) or genesis.get('id') != PLACEHOLDER or json_hash(genesis) != genesis_hash:
        raise Btcr2Error('INVALID_DID', 'the genesis document is not the one of this DID')
    updates = {json_hash(one): one for one in sidecar.get('updates', [])}
    maps = {json_hash(one): one for one in sidecar.get('casUpdates', [])}
    proofs = {}
    for proof in sidecar.get('smtProofs', []):
        try:
            proofs[unb64url(proof['id'], 32)] = proof
        except (KeyError, TypeError, ValueError):
            raise Btcr2Error('INVALID_SIGNAL_DATA', 'a proof without an id')

    document = replace_placeholder(genesis, did)
    version, since, applied = 1, 0, []
    scanned, pending, steps, seen = set(), [], [], []
    while document.get('deactivated') is not True:
        for kind, address in beacon_services(document):
            if address in scanned:
                continue
            scanned.add(address)
            for height, mediantime, data in chain.signals(script_of_address(network, address), since, min_conf):
                if kind != 'SingletonBeacon':
                    seen.append(data)
                announcement = _announcement(kind, did, data, maps, proofs, order)
                if announcement is None:
                    continue
                if announcement not in updates:
                    raise Btcr2Error('MISSING_UPDATE_DATA', 'no update for ' + announcement.hex())
                target = updates[announcement].get('targetVersionId')
                if type(target) is not int:
                    raise Btcr2Error('INVALID_DID_UPDATE', 'targetVersionId is no integer')
                pending.append((target, height, len(pending), announcement, address))
        if not pending:
            break
        pending.sort()
        target, height, _, announcement, address = pending.pop(0)
        if address not in [listed for _, listed in beacon_services(document)]:
            continue
        if target <= version:
            if target < 2 or applied[target - 2] != announcement:
                raise Btcr2Error('LATE_PUBLISHING', 'two updates of version %d' % target)
            continue
        if target > version + 1:
            raise Btcr2Error('LATE_PUBLISHING', 'version %d is announced, version %d is not' % (target, version + 1))
        changed = apply_update(document, updates[announcement], version)
        steps.append((document, updates[announcement], version))
        applied.append(announcement)
        document, version, since = changed, version + 1, height
    return Resolution(document, version, steps, seen)


def _announcement(kind, did, data, maps, proofs, order):
    """What one signal announces for the DID: the hash of an update, or None."""
    if kind == 'SingletonBeacon':
        return data
    if kind == 'CASBeacon':
        if data not in maps:
            raise Btcr2Error('MISSING_UPDATE_DATA', 'no map for signal ' + data.hex())
        try:
            return unb64url(maps[data][did], 32) if did in maps[data] else None
        except ValueError as error:
            raise Btcr2Error('INVALID_SIGNAL_DATA', str(error))
    if data not in proofs:
        raise Btcr2Error('MISSING_UPDATE_DATA', 'no proof for signal ' + data.hex())
    if not verify_proof(proofs[data], did_index(did), order):
        raise Btcr2Error('INVALID_SIGNAL_DATA', 'the proof for signal %s does not verify' % data.hex())
    return unb64url(proofs[data]['updateId'], 32) if 'updateId' in proofs[data] else None


# ---------------------------------------------------------------- nostr


def nostr_id(event):
    """NIP-01."""
    fields = [0, event['pubkey'], event['created_at'], event['kind'], event['tags'], event['content']]
    return sha256(json.dumps(fields, ensure_ascii=False, separators=(',', ':')).encode('utf-8'))


# ---------------------------------------------------------------- the report


class Stop(Exception):
    """A group cannot go on."""


class Report:
    def __init__(self, out=sys.stdout):
        self.out, self.count, self.failures, self.group_name = out, 0, [], ''

    def ok(self, condition, what):
        self.count += 1
        if not condition:
            self.failures.append('%s: %s' % (self.group_name, what))
        return bool(condition)

    def need(self, condition, what):
        """A check without which the rest of the group has no meaning."""
        if not self.ok(condition, what):
            raise Stop()

    def fails(self, action, codes, what):
        """A negative check: action must end in one of these errors (None: in any)."""
        try:
            action()
        except Btcr2Error as error:
            self.ok(codes is None or error.code in codes, '%s: got %s' % (what, error.code))
            return
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            self.ok(False, '%s: broke with %r' % (what, error))
            return
        self.ok(False, '%s: was accepted' % what)

    def group(self, name, body, *args):
        """Runs a group and prints its line; returns what body returns, None if it could not end."""
        self.group_name = name
        checks, failures, result = self.count, len(self.failures), None
        try:
            result = body(self, *args)
        except Stop:
            pass
        except (OSError, KeyError, TypeError, ValueError, AttributeError, IndexError, Btcr2Error,
                RecursionError, OverflowError) as error:
            self.ok(False, '%s: %s' % (type(error).__name__, error))
        failed = len(self.failures) - failures
        self.out.write('%-4s %s: %d checks%s\n' % ('FAIL' if failed else 'ok', name, self.count - checks,
                                                 ', %d failed' % failed if failed else ''))
        return result

    def end(self):
        if self.failures:
            self.out.write('\nfailed: %d of %d checks\n' % (len(self.failures), self.count))
            for failure in self.failures:
                self.out.write('  %s\n' % failure)
            return 1
        self.out.write('verified: %d checks\n' % self.count)
        return 0


# ---------------------------------------------------------------- the demo's folder

FEE_RANGE = (100, 19999)
SEQUENCE = 0xfffffffd
MIN_CONF, COINBASE_CONF = 6, 101


def is_int(value):
    return type(value) is int


def is_hex(value, size):
    return isinstance(value, str) and re.fullmatch('[0-9a-f]{%d}' % (2 * size), value) is not None


def load(*path, **kw):
    with open(os.path.join(*path), encoding='utf-8') as file:
        return parse_json(file.read(), **kw)


def keys_are(report, value, names, what):
    report.need(isinstance(value, dict), what + ' is an object')
    report.ok(set(value) == set(names), '%s has %s, expected %s' % (what, sorted(value), sorted(names)))
    report.need(set(names) <= set(value), what + ' lacks members')


def check_cohort(report, folder):
    cohort = load(folder, 'cohort.json')
    keys_are(report, cohort, ['network', 'beacon_type', 'bit_order', 'participant_pubkeys', 'beacon_address',
                              'output_script_hex'], 'cohort.json')
    report.need(cohort['network'] in NETWORKS, 'network %r' % cohort['network'])
    report.ok(cohort['beacon_type'] in ('SMTBeacon', 'CASBeacon'), 'beacon_type %r' % cohort['beacon_type'])
    report.ok(cohort['bit_order'] in ('spec', 'lsb'), 'bit_order %r' % cohort['bit_order'])
    keys = [unhex(key, 33) for key in cohort['participant_pubkeys']]
    report.need(keys, 'there are participants')
    report.ok(keys == key_sort(keys), 'participant_pubkeys are sorted')
    report.ok(len(set(keys)) == len(keys), 'no participant key is there twice')
    output_key = taproot_output(key_agg(key_sort(keys))[0].to_bytes(32, 'big'))
    report.ok(cohort['output_script_hex'] == '5120' + output_key.hex(), 'output_script_hex from the keys')
    report.ok(cohort['beacon_address'] == address_of_taproot(cohort['network'], output_key),
              'beacon_address from the keys')
    report.ok(script_of_address(cohort['network'], cohort['beacon_address']) == b'\x51\x20' + output_key,
              'beacon_address decodes to the script')
    cohort['output_key'] = output_key
    return cohort


def check_advert(report, folder, cohort):
    event = load(folder, 'advert.json')
    keys_are(report, event, ['id', 'pubkey', 'created_at', 'kind', 'tags', 'content', 'sig'], 'the event')
    report.ok(event['kind'] == 38252, 'kind %r' % event['kind'])
    pubkey = unhex(event['pubkey'], 32)
    digest = nostr_id(event)
    report.ok(event['id'] == digest.hex(), 'the id is the hash of the event')
    report.ok(schnorr_verify(pubkey, digest, unhex(event['sig'], 64)), 'the signature is valid')
    tags = {}
    for tag in event['tags']:
        tags.setdefault(tag[0], []).append(tag[1] if len(tag) > 1 else '')
    for name in ('d', 's', 'b', 'n', 'expiration'):
        report.ok(len(tags.get(name, [])) == 1 and tags[name][0], 'exactly one tag %s' % name)
    one = {name: values[0] for name, values in tags.items()}
    report.ok(one.get('s') in ('open', 'full', 'closed', 'cancelled'), 'tag s is a status')
    report.ok(is_int(event['created_at']) and re.fullmatch('[0-9]{1,12}', one.get('expiration', '')) is not None
              and int(one['expiration']) > event['created_at'], 'tag expiration is a later time')
    content = parse_json(event['content'], floats=True)
    report.ok(content.get('id') == one.get('d'), 'content.id is the d tag')
    report.ok(content.get('aggregator_did') is not None
              and decode_did(content['aggregator_did'])[::2] == ('k', b'\x02' + pubkey),
              'aggregator_did is the k DID of the event\'s key')
    lift_x(unhex(content.get('transport_key'), 32))
    report.ok(content['transport_key'] != event['pubkey'], 'the transport key is a key of its own')
    if cohort is not None:
        report.ok(one.get('b') == cohort['beacon_type'], 'tag b is the beacon type')
        report.ok(one.get('n') == cohort['network'], 'tag n is the network')
        report.ok(content.get('aggregator_did') == encode_did('k', cohort['network'], b'\x02' + pubkey),
                  'aggregator_did is of this network')


def check_chain(report, folder, cohort):
    found = load(folder, 'chain.json')
    keys_are(report, found, ['tip', 'transactions'], 'chain.json')
    report.need(is_int(found['tip']), 'tip is an integer')
    script = unhex(cohort['output_script_hex'])
    rows = []
    for row in found['transactions']:
        keys_are(report, row, ['txid', 'hex', 'height', 'mediantime'], 'a transaction')
        transaction = Transaction.parse(unhex(row['hex']))
        report.ok(transaction.txid() == row['txid'], 'txid of %s' % row['txid'])
        report.need(is_int(row['height']) and 0 < row['height'] <= found['tip'], 'height of %s' % row['txid'])
        report.need(is_int(row['mediantime']) and row['mediantime'] > 0, 'mediantime of %s' % row['txid'])
        rows.append(dict(row, tx=transaction))
    report.ok(len({row['txid'] for row in rows}) == len(rows), 'no transaction is there twice')
    by_height = sorted((row['height'], row['mediantime']) for row in rows)
    report.ok(all(a[1] <= b[1] and (a[0] != b[0] or a[1] == b[1]) for a, b in zip(by_height, by_height[1:])),
              'mediantime never falls, and is one per block')
    chain = Chain(found['tip'], rows)
    spends = chain.spends(script)
    outpoints = [(one.txid, one.vout) for row in rows for one in row['tx'].inputs]
    report.ok(len(set(outpoints)) == len(outpoints), 'nothing is spent twice')
    for row in rows:
        report.ok(row in spends or any(o.script == script for o in row['tx'].outputs),
                  '%s pays or spends the beacon address' % row['txid'])
        report.ok(row in spends or signal_bytes(row['tx']) is None,
                  '%s is a payment that looks like a signal' % row['txid'])
        for one in row['tx'].inputs:
            parent = chain.by_txid.get(one.txid)
            report.ok(parent is None or parent['height'] <= row['height'], '%s comes after its parent' % row['txid'])
    return chain


def check_round(report, folder, number, cohort, chain):
    found = load(folder, 'rounds', '%d.json' % number)
    keys_are(report, found, ['session_id', 'txid', 'hex', 'prevouts', 'signal_bytes', 'block_hash', 'height',
                             'confirmations'], 'the round')
    script = unhex(cohort['output_script_hex'])
    tx = Transaction.parse(unhex(found['hex']))
    report.ok(is_hex(found['session_id'], 32), 'session_id is a hash')
    report.ok(is_hex(found['block_hash'], 32), 'block_hash is a hash')
    report.ok(tx.txid() == found['txid'], 'txid is the hash of hex')
    report.ok(tx.version == 2, 'version %d' % tx.version)
    report.ok(tx.locktime == 0, 'locktime %d' % tx.locktime)
    report.need(len(tx.inputs) == 1, 'one input')
    spent = tx.inputs[0]
    report.ok(spent.sequence == SEQUENCE, 'sequence %08x' % spent.sequence)
    report.ok(spent.script_sig == b'', 'no scriptSig')
    report.need(isinstance(found['prevouts'], list) and len(found['prevouts']) == 1, 'one prevout')
    stated = found['prevouts'][0]
    keys_are(report, stated, ['txid', 'vout', 'value_sats', 'script_hex'], 'the prevout')
    report.need(is_int(stated['value_sats']) and stated['value_sats'] > 0, 'value_sats is an amount')
    report.ok((stated['txid'], stated['vout']) == (spent.txid, spent.vout), 'the prevout is what the input spends')
    report.ok(stated['script_hex'] == script.hex(), 'the prevout is an output of the beacon')

    report.need(len(tx.outputs) == 2, 'two outputs, change and signal')
    change, last = tx.outputs
    report.ok(change.script == script, 'change goes back to the beacon')
    report.ok(change.value >= 330, 'change is not dust')
    report.ok(last.value == 0, 'the last output is worth 0')
    report.ok(signal_bytes(tx) is not None and signal_bytes(tx).hex() == found['signal_bytes'],
              'the last output is OP_RETURN with signal_bytes')
    report.ok(sum(o.script[:1] == b'\x6a' for o in tx.outputs) == 1, 'it is the only OP_RETURN')
    fee = stated['value_sats'] - sum(o.value for o in tx.outputs)
    report.ok(FEE_RANGE[0] <= fee <= FEE_RANGE[1], 'fee %d' % fee)

    report.need(len(spent.witness) == 1 and len(spent.witness[0]) == 64,
                'the witness is one signature of SIGHASH_DEFAULT')
    digest = tx.sighash(0, [(stated['value_sats'], script)])
    signature, key = spent.witness[0], cohort['output_key']
    report.ok(schnorr_verify(key, digest, signature), 'the key-path signature is valid')
    other = tx.sighash(0, [(stated['value_sats'] + 1, script)])
    report.ok(not schnorr_verify(key, other, signature), 'negative: not valid for another prevout value')
    flipped = bytes([signature[0] ^ 1]) + signature[1:]
    report.ok(not schnorr_verify(key, digest, flipped), 'negative: an altered signature is not valid')

    report.need(is_int(found['height']) and is_int(found['confirmations']), 'height and confirmations are integers')
    report.ok(found['confirmations'] >= MIN_CONF, '%d confirmations' % found['confirmations'])
    report.ok(found['confirmations'] <= chain.tip - found['height'] + 1,
              '%d confirmations, but height %d and tip %d' % (found['confirmations'], found['height'], chain.tip))
    row = chain.by_txid.get(found['txid'])
    report.need(row is not None, 'the transaction is in chain.json')
    report.ok(row['hex'] == found['hex'], 'chain.json has the same bytes')
    report.ok(row['height'] == found['height'], 'chain.json has the same height')
    report.need(chain.prevout(spent) is not None, 'the deposit that it spends is in chain.json')
    real, parent = chain.prevout(spent), chain.by_txid[spent.txid]
    report.ok((real.value, real.script) == (stated['value_sats'], script), 'the prevout is on chain as stated')
    depth = COINBASE_CONF if parent['tx'].is_coinbase() else MIN_CONF
    report.ok(found['height'] - parent['height'] >= depth, 'what it spends was %d deep' % depth)
    return dict(found, signal=unhex(found['signal_bytes'], 32))


def check_rounds_folder(report, folder, options, cohort, chain):
    names = sorted(os.listdir(os.path.join(folder, 'rounds')))
    count = len(names)
    report.ok(count >= 1, 'there is a round')
    report.need(set(names) == {'%d.json' % (i + 1) for i in range(count)}, 'only 1.json … n.json: %s' % names)
    report.ok(options.rounds is None or options.rounds == count, '%d rounds' % count)
    return count


def check_rounds_together(report, rounds, cohort, chain):
    heights = [one['height'] for one in rounds]
    report.ok(all(a < b for a, b in zip(heights, heights[1:])), 'rounds are in the order of their heights')
    for name in ('txid', 'session_id', 'signal_bytes', 'block_hash'):
        report.ok(len({one[name] for one in rounds}) == len(rounds), 'no two rounds share a %s' % name)
    spends = {row['txid'] for row in chain.spends(unhex(cohort['output_script_hex']))}
    report.ok(spends == {one['txid'] for one in rounds}, 'every spend of the beacon address is a round')


class DidFile:
    """One file of a wallet, with what resolving it gave."""

    def __init__(self, path, wallet, found):
        self.path, self.wallet = path, wallet
        self.did, self.sidecar = found['did'], found['sidecar']
        self.document, self.version_id = found['document'], found['version_id']
        self.resolution = None

    def proof_of(self, signal):
        return next((p for p in self.sidecar.get('smtProofs', []) if p.get('id') == b64url(signal)), None)

    def map_of(self, signal):
        return next((m for m in self.sidecar.get('casUpdates', []) if json_hash(m) == signal), None)


def check_wallet(report, folder, wallet, options, cohort, chain, rounds):
    names = sorted(os.listdir(os.path.join(folder, 'wallets', wallet)))
    report.need(names, 'the wallet has DIDs')
    files = []
    for name in names:
        before = len(report.failures)
        try:
            found = load(folder, 'wallets', wallet, name)
            keys_are(report, found, ['did', 'sidecar', 'document', 'version_id'], name)
            report.need(isinstance(found['did'], str), name + ': did is text')
            report.ok(name == found['did'].replace(':', '_') + '.json', name + ' is named for its DID')
            one = DidFile(name, wallet, found)
            check_did(report, one, cohort, chain, rounds)
            files.append(one)
        except Stop:
            pass
        except Btcr2Error as error:
            report.ok(False, '%s: %s' % (name, error))
        except (KeyError, TypeError, ValueError, AttributeError, IndexError, RecursionError) as error:
            report.ok(False, '%s: %s: %s' % (name, type(error).__name__, error))
        for i in range(before, len(report.failures)):
            if name not in report.failures[i]:
                report.failures[i] += ' (%s)' % name
    if options.dids is not None:
        # The one registered after round 1 may be one of the N, or come on top of them.
        extra = len(names) - options.dids
        report.ok(extra == 0 or extra == 1 and rounds and any(late(one, rounds[0]['signal'], cohort) for one in files),
                  '%d DIDs, expected %d' % (len(names), options.dids))
    return files


def check_did(report, one, cohort, chain, rounds):
    did, sidecar = one.did, one.sidecar
    report.need(isinstance(sidecar, dict), 'the sidecar is an object')
    report.ok(sidecar.get('@context') == SIDECAR_CONTEXT, 'the sidecar\'s @context')
    report.ok(set(sidecar) <= {'@context', 'genesisDocument', 'updates', 'casUpdates', 'smtProofs'},
              'the sidecar has unknown members: %s' % sorted(sidecar))
    for name in ('updates', 'casUpdates', 'smtProofs'):
        report.need(isinstance(sidecar.get(name, []), list), 'sidecar.%s is an array' % name)

    kind, network, genesis_hash = decode_did(did)
    report.ok((kind, network) == ('x', cohort['network']), 'a DID of a genesis document, of this network')
    genesis = sidecar.get('genesisDocument')
    report.need(isinstance(genesis, dict), 'the sidecar has a genesis document')
    report.ok(genesis.get('id') == PLACEHOLDER, 'the genesis document carries the placeholder')
    report.ok(encode_did('x', cohort['network'], json_hash(genesis)) == did, 'the DID is the hash of its genesis document')
    report.ok(genesis_hash == json_hash(genesis), 'the DID decodes to the hash of its genesis document')
    for document in (genesis, one.document):
        listed = {kind for kind, address in beacon_services(document) if address == cohort['beacon_address']}
        report.ok(listed <= {cohort['beacon_type']}, 'the beacon is listed under another type')

    for proof in sidecar.get('smtProofs', []):
        report.ok(verify_proof(proof, did_index(did), cohort['bit_order']), 'proof %s verifies' % proof.get('id'))
    ids = [proof.get('id') for proof in sidecar.get('smtProofs', [])]
    report.ok(len(set(ids)) == len(ids), 'one proof a signal')
    for update in sidecar.get('updates', []):
        report.ok(not {'created', 'expires'} & set(update['proof']), 'a proof with no times in it')
    if names_beacon(genesis, cohort):
        for number, round_ in enumerate(rounds, 1):
            held = one.proof_of if cohort['beacon_type'] == 'SMTBeacon' else one.map_of
            report.ok(held(round_['signal']) is not None, 'data for the signal of round %d' % number)

    report.need(isinstance(one.version_id, str), 'version_id is a string')
    one.resolution = resolve(did, sidecar, chain, cohort['bit_order'], MIN_CONF)
    report.ok(str(one.resolution.version) == one.version_id,
              'version_id is %s, resolved %d' % (one.version_id, one.resolution.version))
    report.ok(jcs(one.resolution.document) == jcs(one.document), 'document is what it resolves to')
    report.ok(one.resolution.document['id'] == did, 'the document is the DID\'s')
    report.ok(len(sidecar.get('updates', [])) == one.resolution.version - 1, 'every update of the sidecar was announced')


def names_beacon(genesis, cohort):
    return (cohort['beacon_type'], cohort['beacon_address']) in list(beacon_services(genesis))


def check_negative(report, files, cohort, chain):
    """Proofs, maps and updates dropped or altered, on copies: all of it must be noticed."""
    def again(one, sidecar):
        return lambda: resolve(one.did, sidecar, chain, cohort['bit_order'], MIN_CONF)

    for one in files:
        if one.resolution is None:
            continue
        for name, identify in (('smtProofs', lambda p: unb64url(p['id'])), ('casUpdates', json_hash)):
            for i, entry in enumerate(one.sidecar.get(name, [])):
                if identify(entry) not in one.resolution.signals:
                    continue
                dropped = copy.deepcopy(one.sidecar)
                del dropped[name][i]
                report.fails(again(one, dropped), ['MISSING_UPDATE_DATA'], '%s without %s %d' % (one.path, name, i))
                variants = altered_proofs(entry) if name == 'smtProofs' else altered_maps(entry, one.did)
                for what, codes, variant in variants:
                    forged = copy.deepcopy(one.sidecar)
                    forged[name][i] = variant
                    report.fails(again(one, forged), codes, '%s with %s in %s %d' % (one.path, what, name, i))
        for i, update in enumerate(one.sidecar.get('updates', [])):
            dropped = copy.deepcopy(one.sidecar)
            del dropped['updates'][i]
            report.fails(again(one, dropped), ['MISSING_UPDATE_DATA'], '%s without update %d' % (one.path, i))
            for what, variant in altered_updates(update):
                forged = copy.deepcopy(one.sidecar)
                forged['updates'][i] = variant
                report.fails(again(one, forged), None, '%s with %s in update %d' % (one.path, what, i))
        # The hash in the signal would already give these away; so try them on the document itself.
        for document, update, version in one.resolution.steps:
            for what, variant in altered_updates(update):
                report.fails(lambda: apply_update(document, variant, version), ['INVALID_DID_UPDATE'],
                             '%s with %s in version %d' % (one.path, what, version + 1))
        forged = copy.deepcopy(one.sidecar)
        forged['genesisDocument']['service'] = forged['genesisDocument'].get('service', [])[1:]
        report.fails(again(one, forged), ['INVALID_DID'], one.path + ' with another genesis document')


def flip(text):
    data = bytearray(unb64url(text))
    data[-1] ^= 1
    return b64url(bytes(data))


def altered_proofs(proof):
    wrong = ['INVALID_SIGNAL_DATA']
    yield 'another root', ['MISSING_UPDATE_DATA'], dict(proof, id=flip(proof['id']))
    yield 'another collapsed', wrong, dict(proof, collapsed=flip(proof['collapsed']))
    if proof['hashes']:
        yield 'another sibling', wrong, dict(proof, hashes=[flip(proof['hashes'][0])] + proof['hashes'][1:])
        yield 'a sibling too few', wrong, dict(proof, hashes=proof['hashes'][1:])
    yield 'a sibling too many', wrong, dict(proof, hashes=proof['hashes'] + [b64url(ZERO[0])])
    yield 'another nonce', wrong, dict(proof, nonce=flip(proof.get('nonce', b64url(bytes(32)))))
    yield 'another update', wrong, dict(proof, updateId=flip(proof.get('updateId', b64url(bytes(32)))))
    for name in ('nonce', 'updateId'):
        if name in proof:
            yield 'no ' + name, wrong, {key: value for key, value in proof.items() if key != name}


def altered_maps(entry, did):
    codes = ['MISSING_UPDATE_DATA', 'INVALID_SIGNAL_DATA']
    yield 'an altered entry', codes, {key: flip(value) for key, value in entry.items()}
    yield 'an entry more', codes, dict(entry, **{did + '0': b64url(bytes(32))})
    if did in entry:
        yield 'no entry', codes, {key: value for key, value in entry.items() if key != did}
    else:
        yield 'an entry for this DID', codes, dict(entry, **{did: b64url(bytes(32))})


def altered_updates(update):
    proof = update['proof']
    yield 'another targetHash', dict(update, targetHash=flip(update['targetHash']))
    yield 'another sourceHash', dict(update, sourceHash=flip(update['sourceHash']))
    yield 'another version', dict(update, targetVersionId=update['targetVersionId'] + 1)
    yield 'another patch', dict(update, patch=update['patch'] + [{'op': 'add', 'path': '/x', 'value': 1}])
    yield 'another order of contexts', dict(update, **{'@context': update['@context'][::-1]})
    signature = bytearray(multibase_decode(proof['proofValue'], 64))
    signature[0] ^= 1
    yield 'another signature', dict(update, proof=dict(proof, proofValue='z' + base58_encode(bytes(signature))))
    yield 'another purpose', dict(update, proof=dict(proof, proofPurpose='assertionMethod'))
    yield 'another capability', dict(update, proof=dict(proof, capability=proof['capability'] + '0'))
    yield 'an unknown key', dict(update, proof=dict(proof, verificationMethod=proof['verificationMethod'] + '0'))


def check_wallets_folder(report, folder, options, cohort):
    names = sorted(os.listdir(os.path.join(folder, 'wallets')))
    report.ok(all(os.path.isdir(os.path.join(folder, 'wallets', name)) for name in names), 'wallets/ holds folders')
    report.ok(len(names) == len(cohort['participant_pubkeys']), '%d wallets, %d participants'
              % (len(names), len(cohort['participant_pubkeys'])))
    report.ok(options.members is None or options.members == len(names), '%d wallets' % len(names))
    return names


def check_together(report, files, cohort, rounds):
    """What holds across all wallets: whole trees or maps, no nonce twice, the story the demo tells."""
    smt = cohort['beacon_type'] == 'SMTBeacon'
    report.ok(len({one.did for one in files}) == len(files), 'no DID is there twice')
    known = {json_hash(update): update for one in files for update in one.sidecar.get('updates', [])}
    nonces, announced_ever = [], set()
    for number, round_ in enumerate(rounds, 1):
        signal, announced = round_['signal'], set()
        if smt:
            leaves = {}
            for one in files:
                proof = one.proof_of(signal)
                if proof is None:
                    continue
                nonces += [proof['nonce']] if 'nonce' in proof else []
                announced |= {unb64url(proof['updateId'])} if 'updateId' in proof else set()
                if 'nonce' in proof or 'updateId' in proof:
                    leaves[did_index(one.did)] = proof_leaf(proof)
            report.ok(leaves and tree_root(leaves, cohort['bit_order']) == signal,
                      'round %d: the tree of all wallets\' leaves has the root that was signed' % number)
        else:
            maps = [m for m in (one.map_of(signal) for one in files) if m is not None]
            if report.ok(maps, 'round %d: some wallet has the map' % number):
                announced = {unb64url(value, 32) for value in maps[0].values()}
                report.ok(set(maps[0]) <= {one.did for one in files}, 'round %d: the map names DIDs of the wallets' % number)
        report.ok(announced, 'round %d announces an update' % number)
        report.ok(announced <= set(known), 'round %d announces updates that the wallets hold' % number)
        report.ok(not announced & announced_ever, 'round %d announces what was not announced before' % number)
        announced_ever |= announced
    report.ok(len(set(nonces)) == len(nonces), 'no nonce is used twice')

    if len(rounds) >= 2:
        resolved = [(one.version_id, len(one.sidecar.get('updates', []))) for one in files]
        report.ok(('3', 2) in resolved, 'some DID has exactly two updates')
        report.ok(('1', 0) in resolved, 'some DID has none')
        first = rounds[0]['signal']
        for wallet in sorted({one.wallet for one in files}):
            report.ok(any(late(one, first, cohort) for one in files if one.wallet == wallet),
                      '%s has a DID that was registered after round 1' % wallet)


def late(one, signal, cohort):
    """Is the DID's genesis bound to the beacon, and its index empty in that signal?"""
    if not names_beacon(one.sidecar['genesisDocument'], cohort):
        return False
    if cohort['beacon_type'] == 'CASBeacon':
        found = one.map_of(signal)
        return found is not None and one.did not in found
    proof = one.proof_of(signal)
    return proof is not None and 'nonce' not in proof and 'updateId' not in proof


def verify_folder(folder, options, out=sys.stdout):
    report = Report(out)
    cohort = report.group('cohort', check_cohort, folder)
    report.group('advert', check_advert, folder, cohort)
    chain = cohort and report.group('chain', check_chain, folder, cohort)
    if chain is None:
        report.group('the rest', lambda r: r.ok(False, 'not checked: cohort or chain is unusable'))
        return report.end()
    count = report.group('rounds', check_rounds_folder, folder, options, cohort, chain) or 0
    rounds = [report.group('round %d' % n, check_round, folder, n, cohort, chain) for n in range(1, count + 1)]
    usable = rounds and all(one is not None for one in rounds)
    if usable:
        report.group('rounds and chain', check_rounds_together, rounds, cohort, chain)
    else:
        report.group('rounds and chain', lambda r: r.ok(False, 'not checked: a round is unusable'))
    rounds = [one for one in rounds if one is not None]
    files = []
    for wallet in report.group('wallets', check_wallets_folder, folder, options, cohort) or []:
        held = report.group('wallet ' + wallet, check_wallet, folder, wallet, options, cohort, chain, rounds) or []
        report.group('wallet %s, negative' % wallet, check_negative, held, cohort, chain)
        files += held
    report.group('all wallets together', check_together, files, cohort, rounds)
    return report.end()


# ---------------------------------------------------------------- published vectors


def self_test(folder, out=sys.stdout):
    """Runs every published vector that it finds, in the layout of their publishers or of test/vectors."""
    report = Report(out)

    def path(*names):
        return next((p for p in (os.path.join(folder, n) for n in names) if os.path.exists(p)), None)

    def run(name, body, *names):
        found = path(*names)
        if found:
            report.group(name, body, found)
        else:
            out.write('--   %s: no vectors here\n' % name)

    def read(found):
        with open(found, encoding='utf-8') as file:
            return json.load(file)

    def bip340(r, found):
        with open(found, encoding='utf-8', newline='') as file:
            for row in csv.DictReader(file):
                valid = schnorr_verify(bytes.fromhex(row['public key']), bytes.fromhex(row['message']),
                                       bytes.fromhex(row['signature']))
                r.ok(valid == (row['verification result'] == 'TRUE'), 'vector ' + row['index'])

    def bip341(r, found):
        vectors = read(found)
        for case in vectors['scriptPubKey']:
            root = bytes.fromhex(case['intermediary']['merkleRoot'] or '')
            output = taproot_output(bytes.fromhex(case['given']['internalPubkey']), root)
            r.ok('5120' + output.hex() == case['expected']['scriptPubKey'], 'script ' + output.hex())
            address = address_of_taproot('bitcoin', output)
            r.ok(address == case['expected']['bip350Address'], address)
            r.ok(script_of_address('bitcoin', address).hex() == case['expected']['scriptPubKey'], address)
        for case in vectors['keyPathSpending']:
            tx = Transaction.parse(bytes.fromhex(case['given']['rawUnsignedTx']))
            spent = [(u['amountSats'], bytes.fromhex(u['scriptPubKey'])) for u in case['given']['utxosSpent']]
            for one in case['inputSpending']:
                if one['given']['hashType'] != 0:
                    continue
                index = one['given']['txinIndex']
                digest = tx.sighash(index, spent)
                r.ok(digest.hex() == one['intermediary']['sigHash'], 'sighash of input %d' % index)
                r.ok(schnorr_verify(spent[index][1][2:], digest, bytes.fromhex(one['expected']['witness'][0])),
                     'signature of input %d' % index)

    def key_agg_cases(r, found):
        vectors = read(found)
        keys = [bytes.fromhex(key) for key in vectors['pubkeys']]
        for case in vectors['valid_test_cases']:
            point = key_agg([keys[i] for i in case['key_indices']])
            r.ok('%064X' % point[0] == case['expected'], 'keys %s' % case['key_indices'])
        for case in vectors['error_test_cases']:
            if case['error'].get('contrib') == 'pubkey':
                try:
                    key_agg([keys[i] for i in case['key_indices']])
                    r.ok(False, case['comment'])
                except ValueError:
                    r.ok(True, case['comment'])

    def key_sort_case(r, found):
        vectors = read(found)
        keys = [bytes.fromhex(key) for key in vectors['pubkeys']]
        r.ok([key.hex().upper() for key in key_sort(keys)] == vectors['sorted_pubkeys'], 'order')

    def seed_signal(r, found):
        vector = read(found)
        tx = Transaction.parse(bytes.fromhex(vector['hex']))
        script = bytes.fromhex(vector['prevout']['script_hex'])
        r.ok(tx.txid() == vector['txid'], 'txid')
        r.ok(script_of_address(vector['network'], vector['beacon_address']) == script, 'address')
        digest = tx.sighash(0, [(vector['prevout']['value_sats'], script)])
        r.ok(schnorr_verify(script[2:], digest, tx.inputs[0].witness[0]), 'signature')
        r.ok(tx.outputs[0].script[2:].hex() == vector['signal_bytes'], 'signal bytes')
        r.ok(signal_bytes(tx) is None, 'a signal in output 0 is none to a resolver')

    def jcs_proof(r, found):
        signed, key = (read(found), None)
        if 'signed' in signed:
            key, signed = signed['keyPair']['publicKeyMultibase'], signed['signed']
        else:
            key = read(os.path.join(os.path.dirname(found), 'keyPair.json'))['publicKeyMultibase']
        r.ok(verify_jcs_proof(signed, multikey_decode(key)), 'the proof verifies')
        r.ok(multikey_encode(multikey_decode(key)) == key, 'the Multikey comes back')
        r.ok(not verify_jcs_proof(dict(signed, name='x'), multikey_decode(key)), 'an altered document does not')

    def smt(r, found):
        vectors = read(found)
        for case in vectors.get('cases', vectors.get('trees', [])):
            order, leaves = case['bit_order'], {}
            for one in case['leaves'] + case['absent']:
                if 'proof' in one:
                    r.ok(verify_proof(one['proof'], did_index(one['did']), order), one['did'])
            for one in case['leaves']:
                update = one.get('update_hash') or one.get('announcement')
                nonce = bytes.fromhex(one['nonce']) if one.get('nonce') else None
                leaf = leaf_value(nonce, bytes.fromhex(update) if update else None)
                r.ok('proof' not in one or leaf == proof_leaf(one['proof']), 'leaf of ' + one['did'])
                leaves[did_index(one['did'])] = leaf
            r.ok(tree_root(leaves, order).hex() == case['root'], 'root ' + case['root'])
        for one in vectors.get('must_not_verify', vectors.get('proofs', [])):
            r.ok(not verify_proof(one['proof'], did_index(one['did'])), one['why'])

    def identifiers(r, found):
        vectors = read(found)
        for one in vectors.get('valid', vectors.get('identifiers', [])):
            kind, network, genesis = decode_did(one['did'])
            r.ok(kind == {'key': 'k', 'external': 'x'}[one['kind']], 'kind of ' + one['did'])
            r.ok((network, genesis.hex()) == (one['network'], one['genesis_bytes']), one['did'])
            for wrong in (one['did'].upper(), one['did'][:-1] + 'q', one['did'][:10] + one['did'][11:]):
                r.fails(lambda: decode_did(wrong), ['INVALID_DID'], wrong)
        proofs = vectors.get('smt_example_proofs', vectors.get('smtProofs'))
        for name in ('update', 'empty_index'):
            r.ok(verify_proof(proofs[name], did_index(proofs['did'])), 'example proof ' + name)

    def example(r, found):
        vector = read(found)['external']
        kind, network, genesis = decode_did(vector['did'])
        r.ok(genesis == json_hash(vector['genesisDocument']), 'the DID is the hash of its genesis document')
        document = replace_placeholder(vector['genesisDocument'], vector['did'])
        update = vector['signedUpdate']
        changed = apply_update(document, update, 1)
        r.ok(json_hash(changed) == unb64url(update['targetHash']), 'the update applies')
        for what, variant in altered_updates(update):
            r.fails(lambda: apply_update(document, variant, 1), ['INVALID_DID_UPDATE'], what)

    run('BIP-340', bip340, 'bip340-test-vectors.csv', 'bip340/vectors.csv')
    run('BIP-341', bip341, 'bip341-wallet-test-vectors.json', 'bip341/wallet-test-vectors.json')
    run('BIP-327 key aggregation', key_agg_cases, 'bip327/key_agg_vectors.json')
    run('BIP-327 key sorting', key_sort_case, 'bip327/key_sort_vectors.json')
    run('the seed\'s signal', seed_signal, 'seed-signal.json', 'bitcoin/seed-signal.json')
    run('bip340-jcs-2025', jcs_proof, 'bip340-jcs-2025/signedJCS.json', 'did/bip340-jcs-2025.json')
    run('sparse Merkle tree', smt, 'smt.json', 'smt/trees.json')
    run('proofs that must not verify', smt, 'smt/must-not-verify.json')
    run('identifiers and example proofs', identifiers, 'did.json', 'did/specification.json')
    run('the specification\'s example DID', example, 'did/examples.json')
    if report.count == 0:
        report.group('vectors', lambda r: r.ok(False, 'none found in ' + folder))
    return report.end()


def main(arguments=None):
    parser = argparse.ArgumentParser(description='Checks the output of the demo, independently of the program.')
    parser.add_argument('folder', nargs='?', metavar='DIR')
    for name in ('members', 'dids', 'rounds'):
        parser.add_argument('--' + name, type=int, metavar='N', help='how many there must be')
    parser.add_argument('--self-test', metavar='VECTORS', help='run published test vectors instead')
    options = parser.parse_args(arguments)
    if options.self_test:
        return self_test(options.self_test)
    if not options.folder:
        parser.error('which folder?')
    return verify_folder(options.folder, options)


if __name__ == '__main__':
    if hasattr(sys.stdout, 'reconfigure'):
        sys.stdout.reconfigure(encoding='utf-8', errors='backslashreplace')
    sys.exit(main())
