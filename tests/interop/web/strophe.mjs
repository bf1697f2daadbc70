// Strophe.js, which was made for browsers: what it misses in Node stands here.

/** As much of a browser's XMLHttpRequest as Strophe.js uses, over Node's fetch. */
class Request {
  readyState = 0;
  status = 0;
  responseText = '';
  responseXML = null;
  #headers = {};
  #abort = new AbortController();

  open(method, url) {
    Object.assign(this, { method, url, readyState: 1 });
  }

  setRequestHeader(name, value) {
    this.#headers[name] = value;
  }

  overrideMimeType() {}

  async send(body) {
    const { method, url } = this;
    try {
      const answer = await fetch(url, { method, body, headers: this.#headers, signal: this.#abort.signal });
      this.responseText = await answer.text();
      this.status = answer.status;
      this.responseXML = new DOMParser().parseFromString(this.responseText, 'text/xml');
    } catch {
      this.status = 0;
    }
    this.readyState = 4;
    this.onreadystatechange?.();
  }

  getAllResponseHeaders() {
    return '';
  }

  abort() {
    this.#abort.abort();
  }
}

export default async function connect({ service, jid, password, tell }) {
  globalThis.XMLHttpRequest = Request;
  const { Strophe, $pres, $msg } = await import('strophe.js');
  const connection = new Strophe.Connection(service);
  await new Promise((connected, failed) => {
    connection.connect(jid, password, (status, condition) => {
      if (status === Strophe.Status.CONNECTED) connected();
      if (status === Strophe.Status.DISCONNECTED) tell({ event: 'disconnected' });
      const bad = [Strophe.Status.CONNFAIL, Strophe.Status.AUTHFAIL, Strophe.Status.ERROR];
      if (bad.includes(status)) failed(new Error(`status ${status}: ${condition}`));
    });
  });
  connection.addHandler(
    (message) => {
      const body = message.getElementsByTagName('body')[0];
      tell({ event: 'message', from: message.getAttribute('from'), body: body?.textContent });
      return true;
    },
    null,
    'message',
  );
  connection.send($pres());
  return {
    jid: connection.jid,
    say: ({ to, body }) => connection.send($msg({ to, type: 'chat' }).c('body').t(body)),
    pause: ({ seconds }) => connection.pause(seconds),
    leave: () => connection.disconnect(),
  };
}
