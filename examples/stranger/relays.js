// A few relays at once: subscriptions that come back after a break, events that are offered to all.
import WebSocket from 'ws';

/** `onEvents` gets the stored events of a subscription together, at EOSE, and later ones singly. */
export function connect(urls, onEvents) {
  const subscriptions = new Map(); // id -> filter, or a function that makes it anew
  const links = urls.map(url => link(url, subscriptions, onEvents));
  return {
    subscribe: (id, filter) => {
      subscriptions.set(id, filter);
      for (const one of links) one.ask(id);
    },
    publish: event => {
      for (const one of links) one.send(['EVENT', event]);
    },
    close: () => {
      for (const one of links) one.close();
    },
  };
}

function link(url, subscriptions, onEvents) {
  const stored = new Map(); // subscription -> events before EOSE
  let socket;
  let timer;
  let over = false;
  const send = message => {
    if (socket?.readyState === WebSocket.OPEN) socket.send(JSON.stringify(message));
  };
  const ask = id => {
    if (socket?.readyState !== WebSocket.OPEN) return;
    stored.set(id, []);
    const filter = subscriptions.get(id);
    send(['REQ', id, typeof filter === 'function' ? filter() : filter]);
  };
  const heard = text => {
    const [type, id, event] = JSON.parse(text);
    if (type === 'EVENT' && stored.has(id)) stored.get(id).push(event);
    else if (type === 'EVENT') onEvents(id, [event], false);
    if (type === 'EOSE') {
      onEvents(id, stored.get(id) ?? [], true);
      stored.delete(id);
    }
  };
  const open = () => {
    socket = new WebSocket(url, { maxPayload: 1 << 22 });
    socket.on('open', () => [...subscriptions.keys()].forEach(ask));
    socket.on('message', data => {
      try {
        heard(String(data));
      } catch {} // a relay may send anything; it is the one who loses by it
    });
    socket.on('error', () => {});
    socket.on('close', () => {
      if (!over) timer = setTimeout(open, 2000);
    });
  };
  open();
  const close = () => {
    over = true;
    clearTimeout(timer);
    socket.close();
  };
  return { ask, send, close };
}
