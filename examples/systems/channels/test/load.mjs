// Clients under load: SOCKETS of them send RATE events per second together for SECONDS, KINDS different ones. Each asks at the end
// how many of its own were counted. Prints one JSON line. Arguments: address, cookie, sockets, rate, seconds, kinds.
import { WebSocket } from 'ws'

const [address, cookie, ...numbers] = process.argv.slice(2)
const [sockets, rate, seconds, kinds] = numbers.map(Number)
const STEP = 10 // milliseconds

async function open(index) {
  const socket = new WebSocket(`${address}&client-id=load${index}`, { headers: { cookie } })
  const callbacks = new Map()
  socket.on('message', (data) => {
    const [, value, callback] = /^\+\[(\S+) "(\w+)"\]$/.exec(data.toString()) ?? []
    callbacks.get(callback)?.(Number(value))
  })
  await new Promise((resolve, reject) => socket.on('open', resolve).on('error', reject))
  return {
    sent: 0,
    send(n) {
      this.sent++
      socket.send(`+[[:load/count {:n ${n}}]]`)
    },
    ask: (callback) =>
      new Promise((resolve) => {
        callbacks.set(callback, resolve)
        socket.send(`+[[:load/total] "${callback}"]`)
      }),
    socket,
  }
}

const clients = await Promise.all(Array.from({ length: sockets }, (_, index) => open(index)))
const waits = []
let sent = 0
let asked = 0
const begun = performance.now()
for (let now = 0; now < seconds * 1000; now = performance.now() - begun) {
  for (const due = Math.min(now, seconds * 1000) * (rate / 1000); sent < due; sent++) clients[sent % sockets].send(sent % kinds)
  if (now > asked * 50) {
    const at = performance.now()
    clients[asked % sockets].ask(`p${asked++}`).then(() => waits.push(performance.now() - at))
  }
  await new Promise((resolve) => setTimeout(resolve, STEP))
}
const counted = await Promise.all(clients.map((client) => client.ask('total')))
const took = (performance.now() - begun) / 1000
waits.sort((a, b) => a - b)
const at = (share) => Number(waits[Math.floor(share * (waits.length - 1))].toFixed(1))
const lost = clients.reduce((sum, client, index) => sum + client.sent - counted[index], 0)
console.log(JSON.stringify({ sent, lost, seconds: took, perSecond: Math.round(sent / took), p50: at(0.5), p99: at(0.99) }))
for (const { socket } of clients) socket.close()
