// dispatch.c in Node; each event is a call, so that the next one waits for its handler.
import { Engine } from 'tidings'

const engine = new Engine()

function on(id, begin) {
  engine.mailbox({
    name: id,
    handler(request) {
      console.log(begin + request.text())
      request.reply()
    },
  })
}

async function dispatch(id, data) {
  try {
    await engine.call(id, data, { timeout: 5000 })
  } catch (error) {
    if (error.code !== 'TD_ENOTFOUND') throw error
    await engine.call('default', id, { timeout: 5000 })
  }
}

on('components/commtest', 'components/commtest: ')
on('default', 'No comms handler for :')
await dispatch('components/commtest', 'hello')
await dispatch('no/such', 'x')
await dispatch('components/commtest', 'again')
on('late/route', 'late/route: ')
await dispatch('late/route', 'x')
engine.close()
