// A small client of the channel sockets for browsers and Node: events by id to their handlers, callbacks with a deadline,
// and a connection that comes back. EDN is read by edn-data, which comes in by `parse` and `print`.

export class Client {
  // WebSocket is the browser's own unless given; `backoff` doubles with each try, up to `ceiling` milliseconds.
  constructor(address, { parse, print, csrfToken, clientId, WebSocket = globalThis.WebSocket, options, backoff = 200, ceiling = 10_000 }) {
    const query = new URLSearchParams({ 'client-id': clientId, 'csrf-token': csrfToken })
    Object.assign(this, { parse, print, WebSocket, options, backoff, ceiling })
    this.address = `${address}?${query}`
    this.handlers = new Map([['default', (id) => console.log(`No comms handler for :${id}`)]])
    this.calls = new Map()
    this.watcher = () => {}
    this.state = { open: false, first: true, uid: null }
    this.attempts = 0
    this.ended = false
  }

  on(id, handler) {
    this.handlers.set(id, handler)
    return this
  }

  connect() {
    const socket = (this.socket = new this.WebSocket(this.address, this.options))
    socket.addEventListener('message', ({ data }) => this.#receive(data))
    socket.addEventListener('error', () => {})
    socket.addEventListener('close', ({ code }) => {
      for (const [, done] of this.calls) done({ key: 'chsk/closed' })
      if (this.state.open) this.#change({ ...this.state, open: false, first: false })
      if (code === 1000 || this.ended) return // a clean close is for good
      const wait = Math.min(this.ceiling, this.backoff * 2 ** this.attempts++) * (0.5 + Math.random() / 2)
      this.retry = setTimeout(() => this.connect(), wait)
    })
    return this
  }

  close() {
    this.ended = true
    clearTimeout(this.retry)
    this.socket.close()
  }

  send(id, data = null) {
    if (!this.state.open) return false
    this.socket.send(`+[${this.print([{ key: id }, data])}]`)
    return true
  }

  // The reply, or the keyword chsk/timeout or chsk/closed.
  call(id, data = null, timeout = 5000) {
    if (!this.state.open) return Promise.resolve({ key: 'chsk/closed' })
    return new Promise((resolve) => {
      const callback = Math.random().toString(16).slice(2, 8).padEnd(6, '0')
      const clock = setTimeout(() => done({ key: 'chsk/timeout' }), timeout)
      const done = (value) => {
        clearTimeout(clock)
        this.calls.delete(callback)
        resolve(value)
      }
      this.calls.set(callback, done)
      this.socket.send(`+[${this.print([{ key: id }, data])} "${callback}"]`)
    })
  }

  #receive(text) {
    const [value, callback] = this.parse(text.replace(/^\+/, ''))
    if (callback != null) this.calls.get(callback)?.(value)
    else if (!Array.isArray(value)) return // a reply without a callback
    else if (value[0]?.key === 'chsk/handshake') this.#opened(value[1][0])
    else if (Array.isArray(value[0])) for (const [id, data] of value) this.#dispatch(id.key, data)
  }

  #opened(uid) {
    const { first } = this.state
    this.attempts = 0
    this.#change({ open: true, first, uid })
    if (this.handlers.has('chsk/handshake')) this.#dispatch('chsk/handshake', { uid, first })
  }

  #dispatch(id, data) {
    ;(this.handlers.get(id) ?? this.handlers.get('default'))(id, data)
  }

  #change(state) {
    const old = this.state
    this.state = state
    this.watcher(old, state)
  }
}
