// What both pages begin with: the form that asks for a token. It is in `token`, and nowhere else, and what functions say
// of themselves is put into a page as text, never as HTML. A page says what to do with a token as `onAccess`.
"use strict";

let token = "";
let onAccess = async () => {};

const byId = (id) => document.getElementById(id);

byId("access").addEventListener("submit", async (event) => {
  event.preventDefault();
  token = byId("token").value.trim();
  byId("token").value = "";
  await onAccess();
});

function send(method, path, body, headers = {}) {
  const type = body === undefined ? {} : { "Content-Type": "application/json" };
  return fetch(path, { method, body, headers: { Authorization: `Bearer ${token}`, ...type, ...headers } });
}

function element(name, text = "", className = "") {
  const made = document.createElement(name);
  made.textContent = text;
  if (className) made.className = className;
  return made;
}
