// Uses the pages of / and /docs as a person would, in documents without a browser.
import { JSDOM } from "jsdom";

const [url, token] = process.argv.slice(2);

async function open(path) {
  const { window } = await JSDOM.fromURL(`${url}${path}`, {
    runScripts: "dangerously",
    resources: "usable",
    pretendToBeVisual: true,
    beforeParse(window) {
      window.fetch = (path, options) => fetch(new URL(path, url), options);
      window.TextDecoderStream = TextDecoderStream;
    },
  });
  await new Promise((loaded) => window.addEventListener("load", loaded));
  return window;
}

let window = await open("/docs");
const find = (selector) => window.document.querySelector(selector);
const findAll = (selector) => [...window.document.querySelectorAll(selector)];

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
  const details = findAll("main > details").find(
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
const shown = findAll("main > details > summary").map((each) => each.firstChild.textContent);
const called = await press("/call/area", "Call", { box: { width: 2, height: 3 } }, "6");
const dry = await press("/call/area", "Dry run", { box: { width: 2, height: 3 } });
const streamed = await press("/call/count", "Stream", { to: 2 }, "}}\n");
const stores = () => window.localStorage.length + window.sessionStorage.length + window.document.cookie.length;
let [typed, stored] = [find("#token").value, stores()];
window.close();

window = await open("/");
await show("rf_wrong");
const hidden = find("#overview").hidden;
const whose = await show(token);
const press_named = (name) => findAll("td button").find((each) => each.textContent === name).click();
await eventually(() => findAll("#functions td button").some((each) => each.textContent === "default/area"));
press_named("default/area");
await eventually(() => findAll("#functions tr").length === 2);
const calls = () => findAll("#calls tr").slice(1);
await eventually(() => calls().length && calls().every((each) => each.textContent.includes("default/area:")));
const rows = findAll("#functions td").map((each) => each.textContent);
const bars = findAll("#chart rect").length;
const states = findAll("#calls td.good").map((each) => each.textContent);
find("#calls td button").click();
await eventually(() => find("#call").textContent.includes('"state"'));
const one = JSON.parse(find("#call").textContent);
stored += stores();
const overview = { hidden, whose, rows, bars, states, one, machines: find("#machines-section").hidden };
console.log(JSON.stringify({ refused, shown, typed, called, dry, streamed, stored, overview }));
window.close();
process.exit(0);
