// The page: what the client hears, line by line, and a few things to say.
import { Client } from './client.js'
import { parse, print } from './edn.js'

const find = (id) => document.getElementById(id)
const log = (...words) => find('log').append(words.map((word) => (typeof word === 'string' ? word : JSON.stringify(word))).join(' ') + '\n')
const clientId = (sessionStorage.clientId ??= crypto.randomUUID())
const csrfToken = find('sente-csrf-token').dataset.csrfToken

const client = new Client(`${location.origin.replace(/^http/, 'ws')}/api/socket`, { parse, print, csrfToken, clientId })
  .on('chsk/handshake', (id, { uid, first }) => log(first ? 'connected as' : 'connected again as', String(uid.key ?? uid)))
  .on('components/commtest', (id, { msg }) => log('echo:', msg))
  .on('api/error', (id, { msg }) => log('error:', msg))
  .on('demo/tick', (id, { i }) => log('tick', i))
  .on('default', (id) => log(`No comms handler for :${id}`))
client.watcher = (old, { open, first }) => {
  find('state').dataset.open = open
  find('state').textContent = open ? 'open' : 'closed; trying again'
  log(`open: ${old.open} -> ${open}`, `first: ${first}`)
}
client.connect()

const say = {
  echo: () => client.send('components/commtest', { map: [[{ key: 'msg' }, find('text').value]] }),
  unknown: () => client.send('no/such', null),
  reply: async () => log('reply:', await client.call('demo/reply', 1)),
  noreply: async () => log('reply:', await client.call('demo/noreply', 1, 500)),
  burst: () => client.send('demo/burst', 3),
}
for (const button of document.querySelectorAll('button')) {
  button.addEventListener('click', (event) => {
    event.preventDefault()
    say[button.name]()
  })
}
