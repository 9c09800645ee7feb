"""Resolves DIDs with the independent verifier: a request as JSON on standard input, the results on standard output."""
import json
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', '..', 'scripts'))
import verify_demo as v  # noqa: E402


def resolved(one, chain, order):
    try:
        resolution = v.resolve(one['did'], one['sidecar'], chain, order)
        return {'version': resolution.version, 'document': resolution.document}
    except v.Btcr2Error as error:
        return {'error': str(error).split(':')[0]}


request = json.load(sys.stdin)
rows = [dict(row, tx=v.Transaction.parse(v.unhex(row['hex']))) for row in request['transactions']]
chain = v.Chain(request['tip'], rows)
json.dump([resolved(one, chain, request['order']) for one in request['dids']], sys.stdout)
