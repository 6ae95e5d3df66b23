// The console in a real browser: what an operator sees and does, by keyboard, in both colour schemes, on a phone.
//
//   node tests/console.mjs URL [DIRECTORY]       pictures of all views go to the directory
import { strict as assert } from "node:assert";
import { createRequire } from "node:module";

const [url, pictures] = process.argv.slice(2);
const require = createRequire(`${process.env.RKCY_NODE_MODULES}/`);
const { chromium } = require("playwright-core");
const { default: AxeBuilder } = require("@axe-core/playwright");

const browser = await chromium.launch({ executablePath: process.env.CHROMIUM, args: ["--no-sandbox"] });
const context = await browser.newContext({ viewport: { width: 1100, height: 800 } });
const page = await context.newPage();
const wrong = [];
page.on("pageerror", (error) => wrong.push(error.message));
// A refusal is an answer; what the page itself asks for wrongly is not.
page.on("console", (said) => {
  if (said.type() === "error" && !/status of (409|422)/.test(said.text())) wrong.push(said.text());
});
page.on("request", (request) => {
  if (!request.url().startsWith(url)) wrong.push(`asked elsewhere: ${request.url()}`);
});

const console_ = `${url}/console`;
async function open(view) {
  await page.goto(`${console_}#${view}`);
  await page.reload();
  await page.waitForSelector("main > *");
}
async function looked(name) {
  const found = await new AxeBuilder({ page }).withTags(["wcag2a", "wcag2aa", "wcag21aa"]).analyze();
  assert.deepEqual(found.violations.map((one) => [one.id, one.nodes.map((node) => node.html)]), [], name);
  const width = await page.evaluate(() => [document.documentElement.scrollWidth, innerWidth]);
  assert.ok(width[0] <= width[1], `${name}: ${width[0]} wide on ${width[1]}`);
  if (pictures) await page.screenshot({ path: `${pictures}/${name}.png`, fullPage: true });
}

// A transaction, by keyboard alone. Markup in a value is text.
await open("ask/sign_up");
await page.getByLabel("fullname").focus();
await page.keyboard.type("Anna <i>of the Hills</i>");
await page.keyboard.press("Tab");
await page.keyboard.type("<b>anna</b>");
await page.keyboard.press("Enter");
await page.getByText("200 committed").waitFor();
assert.equal(await page.locator("main b, main i").count(), 0);
assert.ok((await page.locator("pre").innerText()).includes('"username": "<b>anna</b>"'));
const player = /"id": "([^"]*)",[^{}]*"username"/.exec(await page.locator("pre").innerText())[1];
await looked("ask");

// What it was is found by its id.
await page.locator("section a[href^='#transactions/']").click();
await page.getByText("is committed").waitFor();
await looked("transaction");

// A wrong field is named, and has the focus.
await open("ask/Character.create");
await page.getByLabel("player").fill(player);
await page.getByLabel("fullname").fill("Bert");
await page.getByLabel("gold").fill("-5");
await page.getByRole("button", { name: "Submit" }).click();
await page.getByText("422").first().waitFor();
assert.equal(await page.evaluate(() => document.activeElement.dataset.path), "currency.gold");
assert.equal(await page.getByLabel("gold").getAttribute("aria-invalid"), "true");
await looked("invalid");

// A number of 64 bits goes out and comes back as it is.
await page.getByLabel("gold").fill("9007199254740993");
await page.getByRole("button", { name: "Submit" }).click();
await page.getByText("201").first().waitFor();
assert.ok((await page.locator("pre").innerText()).includes('"gold": 9007199254740993'));

// A refusal says its name.
await open("ask/sign_up");
await page.getByLabel("fullname").fill("Carl");
await page.getByLabel("username").fill("<b>anna</b>");
await page.getByRole("button", { name: "Submit" }).click();
await page.getByText("refused: taken").waitFor();

// All views, in both schemes, on a phone too.
for (const colorScheme of ["light", "dark"]) {
  for (const [device, size] of [["desk", { width: 1100, height: 800 }], ["phone", { width: 390, height: 844 }]]) {
    await page.emulateMedia({ colorScheme });
    await page.setViewportSize(size);
    for (const view of ["overview", "ask/Character.create", "transactions", "transactions/nonsense"]) {
      await open(view);
      if (view !== "transactions/nonsense") await looked(`${view.replace("/", "-")}-${device}-${colorScheme}`);
    }
    // The page of the interface, with one operation open.
    await page.goto(`${url}/docs`);
    await page.locator("summary", { hasText: "/v1/txn/trade" }).click();
    await looked(`docs-${device}-${colorScheme}`);
  }
}
await open("overview");
await page.getByText("POST /v1/txn/sign_up").waitFor();
assert.deepEqual(wrong, []);
await browser.close();
console.log("the console is as it should be");
