// Uses the page of /docs as a person would, in a document without a browser.
import { JSDOM } from "jsdom";

const [url, token] = process.argv.slice(2);
const { window } = await JSDOM.fromURL(`${url}/docs`, {
  runScripts: "dangerously",
  resources: "usable",
  beforeParse(window) {
    window.fetch = (path, options) => fetch(new URL(path, url), options);
    window.TextDecoderStream = TextDecoderStream;
  },
});
const { document } = window;
await new Promise((loaded) => window.addEventListener("load", loaded));
const find = (selector) => document.querySelector(selector);

async function eventually(question) {
  for (let i = 0; i < 400; i++) {
    const answer = question();
    if (answer) return answer;
    await new Promise((resolve) => setTimeout(resolve, 25));
  }
  throw new Error(`not within 10 s: ${question}`);
}

async function show(secret) {
  const before = find("#state").textContent;
  find("#token").value = secret;
  find("#access").dispatchEvent(new window.Event("submit", { cancelable: true }));
  return eventually(() => find("#state").textContent !== before && find("#state").textContent);
}

async function press(path, label, body, last = "}") {
  const details = [...document.querySelectorAll("main > details")].find(
    (each) => each.querySelector("summary").firstChild.textContent === `POST ${path}`,
  );
  if (!details.querySelector(".buttons")) details.dispatchEvent(new window.Event("toggle"));
  details.querySelector("textarea").value = JSON.stringify(body);
  [...details.querySelectorAll("button")].find((each) => each.textContent === label).click();
  const output = details.querySelector(".buttons + pre");
  await eventually(() => output.className && output.textContent.endsWith(last));
  return output.textContent;
}

const refused = await show("rf_wrong");
await show(token);
const shown = [...document.querySelectorAll("main > details > summary")].map((each) => each.firstChild.textContent);
const called = await press("/call/area", "Call", { box: { width: 2, height: 3 } }, "6");
const dry = await press("/call/area", "Dry run", { box: { width: 2, height: 3 } });
const streamed = await press("/call/count", "Stream", { to: 2 }, "}}\n");
const stored = window.localStorage.length + window.sessionStorage.length + document.cookie.length;
console.log(JSON.stringify({ refused, shown, typed: find("#token").value, called, dry, streamed, stored }));
window.close();
process.exit(0);
