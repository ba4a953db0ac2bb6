// The page of /: asks /v1/sql what was called, how it went and what runs, again every ten seconds while it is looked at.
"use strict";

const EVERY_MS = 10_000;
const BARS = 60;
const SINCE = { hour: 3_600, day: 86_400, week: 604_800, month: 2_592_000 };
const GOOD = "state IN ('SUCCEEDED', 'CACHED')";
const BAD = "state NOT IN ('SUCCEEDED', 'CACHED', 'RUNNING', 'WAITING', 'CANCELLED')";
// `$1` is how many seconds back, `$2` the function, or nothing for all.
const CALLS = `FROM calls WHERE accepted_at >= now()::TIMESTAMP - to_seconds($1) AND ($2 = '' OR function = $2)
               AND shadow_of IS NULL`;
const QUESTIONS = {
  chart: `SELECT (${BARS} - 1 - least(${BARS} - 1, floor(epoch(now()::TIMESTAMP - accepted_at) * ${BARS} / $1)))::INTEGER
                 AS bar, count(*) FILTER (${GOOD}) AS good, count(*) FILTER (${BAD}) AS bad ${CALLS} GROUP BY bar`,
  functions: `SELECT function, max(version) AS newest, count(*) AS calls, count(*) FILTER (${BAD}) AS failed,
                     quantile_cont(duration_ms, 0.5) AS p50_ms, quantile_cont(duration_ms, 0.95) AS p95_ms,
                     count(*) FILTER (cold) AS cold, sum(cpu_seconds) AS cpu_s, sum(gpu_seconds) AS gpu_s,
                     max(accepted_at) AS last_call ${CALLS} GROUP BY function ORDER BY calls DESC LIMIT 100`,
  teams: `SELECT team, count(DISTINCT caller) AS callers, count(*) AS calls, count(*) FILTER (${BAD}) AS failed,
                 sum(gpu_seconds) AS gpu_s ${CALLS} GROUP BY team ORDER BY calls DESC LIMIT 50`,
  machines: `SELECT cluster, worker_group, node, state, machine_type, usd_per_hour, up_hours, reason FROM nodes
             WHERE state <> 'GONE' ORDER BY ALL LIMIT 100`,
  calls: `SELECT accepted_at, function || ':' || version AS function, caller, team, state, code, duration_ms, cold, call
          ${CALLS} ORDER BY accepted_at DESC LIMIT 50`,
};
const UNITS = { p50_ms: "ms", p95_ms: "ms", duration_ms: "ms", cpu_s: "s", gpu_s: "s", up_hours: "h" };

let onlyFunction = "";
let timer = 0;

onAccess = async () => {
  const answer = await send("GET", "/v1/whoami");
  const said = await answer.json();
  if (!answer.ok) {
    byId("state").textContent = said.detail;
    return;
  }
  byId("state").textContent = `${said.principal}, ${said.role} of ${said.team}`;
  byId("asked").hidden = byId("overview").hidden = false;
  await show();
};

for (const name of Object.keys(SINCE)) byId("since").append(element("option", name));
byId("since").value = "day";
byId("since").addEventListener("change", show);
byId("all").addEventListener("click", () => choose(""));

function choose(name) {
  onlyFunction = name;
  byId("only").textContent = name;
  byId("all").hidden = !name;
  return show();
}

// All questions at once; what can't be answered says why in its place.
async function show() {
  clearTimeout(timer);
  if (!document.hidden) {
    await Promise.all(Object.entries(QUESTIONS).map(([name, sql]) => ask(name, sql)));
  }
  clearTimeout(timer);
  timer = setTimeout(show, EVERY_MS);
}

async function ask(name, sql) {
  const seconds = SINCE[byId("since").value];
  const parameters = sql.includes("$1") ? [seconds, onlyFunction] : [];
  try {
    const asked = onlyFunction;
    const answer = await send("POST", "/v1/sql", JSON.stringify({ sql, parameters }));
    const said = await answer.json();
    if (asked !== onlyFunction) return; // another function was chosen meanwhile, and is asked for
    byId(name).replaceChildren(answer.ok ? SHOWN[name](said) : element("p", said.detail, "bad"));
  } catch (error) {
    byId(name).replaceChildren(element("p", `The gateway does not answer: ${error.message}`, "bad"));
  }
}

const SHOWN = {
  chart: (said) => chart(said.rows),
  functions: (said) => table(said, (row) => choose(row[0])),
  teams: (said) => table(said),
  machines: (said) => {
    byId("machines-section").hidden = !said.rows.length;
    return table(said);
  },
  calls: (said) => table(said, (row) => one(row.at(-1))),
};

// A bar for each stretch of time: calls that went well, and on top of them those that did not.
function chart(rows) {
  const most = Math.max(1, ...rows.map(([, good, bad]) => good + bad));
  const drawing = svg("svg", { viewBox: `0 0 ${BARS * 10} 120`, role: "img", preserveAspectRatio: "none" });
  for (const [bar, good, bad] of rows) {
    const [tall, taller] = [(110 * good) / most, (110 * (good + bad)) / most];
    drawing.append(
      rectangle(bar, 120 - tall, tall, "good", `${good} calls went well`),
      rectangle(bar, 120 - taller, taller - tall, "bad", `${bad} calls failed`),
    );
  }
  const total = rows.reduce((sum, [, good, bad]) => [sum[0] + good, sum[1] + bad], [0, 0]);
  const made = element("figure");
  made.append(drawing, element("figcaption", `${total[0]} went well, ${total[1]} failed; ${most} in the tallest bar`));
  return made;
}

function rectangle(bar, y, height, className, title) {
  const made = svg("rect", { x: bar * 10 + 1, y, width: 8, height, class: className });
  const tip = svg("title", {});
  tip.textContent = title;
  made.append(tip);
  return made;
}

function svg(name, attributes) {
  const made = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  return made;
}

// `onRow` makes the first cell of each row a button.
function table({ columns, rows }, onRow) {
  if (!rows.length) return element("p", "None.");
  const made = element("table");
  const head = element("tr");
  const names = columns.map((column) => column.name);
  head.append(...names.map((name) => element("th", name.replaceAll("_", " "))));
  made.append(head, ...rows.map((row) => line(names, row, onRow)));
  return made;
}

function line(columns, row, onRow) {
  const made = element("tr");
  for (const [at, value] of row.entries()) {
    const isNumber = typeof value === "number";
    const cell = element("td", at || !onRow ? written(value, columns[at]) : "", isNumber ? "number" : "");
    if (!at && onRow) {
      const button = element("button", written(value, columns[at]));
      button.addEventListener("click", () => onRow(row));
      cell.append(button);
    }
    if (columns[at] === "failed" && value > 0) cell.classList.add("bad");
    if (columns[at] === "state") cell.classList.add(["SUCCEEDED", "CACHED", "RUNNING"].includes(value) ? "good" : "bad");
    made.append(cell);
  }
  return made;
}

function written(value, column) {
  if (value === null) return "";
  if (typeof value !== "number") return String(value).replace("T", " ").slice(0, column.endsWith("_at") ? 23 : undefined);
  const digits = Number.isInteger(value) ? 0 : Math.abs(value) < 10 ? 2 : 1;
  return `${value.toLocaleString("en", { maximumFractionDigits: digits })}${column in UNITS ? ` ${UNITS[column]}` : ""}`;
}

// What is known of a call, and what it printed.
async function one(call) {
  byId("call-section").hidden = false;
  const shown = byId("call");
  shown.textContent = "…";
  const [about, logs] = await Promise.all([
    send("GET", `/calls/${call}`).then((answer) => answer.json()),
    send("GET", `/calls/${call}/logs`).then((answer) => answer.json()),
  ]);
  const lines = (logs.logs || []).map((each) => `${each.stream}: ${each.text}`);
  shown.textContent = [JSON.stringify(about, null, 2), ...lines].join("\n");
  shown.scrollIntoView?.();
}
