// The page at /, in a headless Chromium: the live log of a real app, and a jump that changes its state.
import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { test } from "node:test";
import puppeteer from "puppeteer-core";
import { node, serve, until } from "./support.mjs";

const chromium = ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"].find(existsSync);

test("the page shows what an app does, and takes it back to a state", { skip: chromium === undefined && "there is no Chromium", timeout: 60_000 }, async (t) => {
  const server = await serve(t);
  const browser = await puppeteer.launch({ executablePath: chromium, args: ["--no-sandbox", "--disable-gpu"] });
  t.after(() => browser.close());
  const page = await browser.newPage();
  const failures = [];
  page.on("pageerror", (error) => failures.push(error.message));
  await page.goto(`http://127.0.0.1:${server.port}/`, { timeout: 20_000 });
  await page.waitForFunction(() => document.querySelector("#status").value === "connected", { timeout: 10_000 });

  const app = node(t, ["app.cjs", String(server.port), "4", "300"]);
  const texts = () => page.$$eval("#actions li span", (spans) => spans.map((span) => span.textContent));
  await until(async () => (await texts()).length === 5, () => `four actions: ${app.told()}`);
  assert.deepEqual(await texts(), ["@@INIT", "INC", "INC", "INC", "INC"]);
  assert.deepEqual(JSON.parse(await page.$eval("#state", (state) => state.textContent)), { count: 4 });
  assert.deepEqual(await page.$$eval("#apps li", (apps) => apps.map((app) => app.textContent)), ["counter"]);

  const buttons = await page.$$("#actions li button");
  await buttons[1].click();
  await until(() => app.lines.at(-1) === "state 1", () => `the jump: ${app.told()}`);
  assert.deepEqual(JSON.parse(await page.$eval("#state", (state) => state.textContent)), { count: 1 });

  app.child.kill("SIGKILL");
  await page.waitForSelector("#apps li.gone", { timeout: 10_000 });
  assert.deepEqual(failures, []);
});
