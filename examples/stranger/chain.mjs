// The wallet's own view of the chain, by an Esplora server.
export function esplora(url) {
  const get = async path => {
    const answer = await fetch(`${url}${path}`);
    if (!answer.ok) throw new Error(`${path}: ${answer.status}`);
    return JSON.parse(await answer.text());
  };
  const depth = async ({ confirmed, block_height }) =>
    confirmed ? (await get('/blocks/tip/height')) - block_height + 1 : 0;
  return {
    hasHistory: async address =>
      (await Promise.all(['chain', 'mempool'].map(part => get(`/address/${address}/txs/${part}`)))).flat().length > 0,
    /** An unspent output of the address, with its depth and the depth that it needs; null if there is none such. */
    async unspent(address, { txid, vout }) {
      const found = (await get(`/address/${address}/utxo`)).find(utxo => utxo.txid === txid && utxo.vout === vout);
      if (!found) return null;
      const { vin } = await get(`/tx/${txid}`);
      return { value: found.value, depth: await depth(found.status), needed: vin[0].is_coinbase ? 101 : 6 };
    },
    /** How deep the output's spender is; 0 while it is unspent. */
    async spentDepth({ txid, vout }) {
      const { spent, status } = await get(`/tx/${txid}/outspend/${vout}`);
      return spent ? depth(status) : 0;
    },
  };
}
