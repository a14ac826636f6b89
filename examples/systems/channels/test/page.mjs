// The page, in a headless Chromium. Takes orders as JSON lines on stdin: { click: name } and { expect: text }, which waits until
// the log has the text, and answers each with "done". Arguments: the browser, the address.
import { createInterface } from 'node:readline'
import puppeteer from 'puppeteer-core'

const [executablePath, address] = process.argv.slice(2)
const browser = await puppeteer.launch({ executablePath, args: ['--no-sandbox', '--disable-dev-shm-usage'] })
try {
  const page = await browser.newPage()
  page.on('pageerror', (error) => console.log(`page error: ${error}`))
  await page.goto(address)
  console.log('loaded')
  for await (const line of createInterface({ input: process.stdin })) {
    const { click, expect } = JSON.parse(line)
    if (click) await page.click(`button[name=${click}]`)
    else {
      const found = (text) => document.getElementById('log').textContent.includes(text)
      await page.waitForFunction(found, { timeout: 20_000 }, expect).catch(async () => {
        console.log(await page.$eval('#log', (log) => `the log has no ${JSON.stringify(log.textContent)}`))
      })
    }
    console.log('done')
  }
} finally {
  await browser.close()
}
