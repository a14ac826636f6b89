// A WebSocket of `ws`, driven by lines on stdin: each is sent as it is (JSON text); what comes is printed as JSON, and read
// by edn-data first. Arguments: address, cookie.
import { createInterface } from 'node:readline'
import { parseEDNString } from 'edn-data'
import { WebSocket } from 'ws'

const [address, cookie] = process.argv.slice(2)
const print = (line) => process.stdout.write(JSON.stringify(line) + '\n')
const socket = new WebSocket(address, { headers: { cookie } })
const early = []
createInterface({ input: process.stdin }).on('line', (line) => {
  const text = JSON.parse(line)
  if (text === null) socket.close()
  else if (socket.readyState === WebSocket.OPEN) socket.send(text)
  else early.push(text)
})
socket.on('open', () => early.forEach((text) => socket.send(text)))
socket.on('message', (data) => {
  const text = data.toString()
  parseEDNString(text.replace(/^[+-]/, '')) // throws when it is not EDN
  print({ text })
})
socket.on('unexpected-response', (request, response) => {
  let body = ''
  response.on('data', (part) => (body += part)).on('end', () => {
    print({ status: response.statusCode, body })
    process.exit(0)
  })
})
socket.on('error', (error) => print({ error: String(error) }))
socket.on('close', (code) => {
  print({ close: code })
  process.exit(0)
})
