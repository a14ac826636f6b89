// The browser's client in Node, over `ws`: prints what it hears and how it stands. Arguments: address, cookie, CSRF token, client id.
import { WebSocket } from 'ws'
import { Client } from '../channels/page/client.js'
import { parse, print } from '../channels/page/edn.js'

const [address, cookie, csrfToken, clientId] = process.argv.slice(2)
const client = new Client(address, { parse, print, csrfToken, clientId, WebSocket, options: { headers: { cookie } }, backoff: 100 })
client.watcher = (old, now) => console.log(`open ${old.open} -> ${now.open}, first ${now.first}`)
client.on('components/commtest', (id, { msg }) => console.log(`${id} ${msg}`))
client.on('chsk/handshake', async () => {
  client.send('components/commtest', 1)
  client.send('no/such')
  console.log(`reply ${JSON.stringify(await client.call('demo/reply', 2))}`)
  console.log(`reply ${JSON.stringify(await client.call('demo/noreply', 2, 200))}`)
})
client.connect()
process.stdin.resume().on('end', () => client.close())
