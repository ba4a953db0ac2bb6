// A program against the client that openapi-typescript generates: what is marked as an error must be one.
import createClient from "openapi-fetch";
import type { components, paths } from "./api";

declare const process: { argv: string[] };
const [url, token] = process.argv.slice(2);
const client = createClient<paths, "application/json" | "application/problem+json">({
  baseUrl: url,
  headers: { Authorization: `Bearer ${token}` },
});

const area = await client.POST("/call/area", { body: { box: { width: 2, height: 3 }, scale: 1 } });
const pets: components["schemas"]["oldest.Arguments"]["pets"] = [
  { name: "a", colour: "red", friends: [] },
  { name: "b", colour: "blue", friends: [{ name: "c", colour: "red", friends: [] }] },
];
const oldest = await client.POST("/call/oldest", { body: { pets, by: { a: 1, b: 2 } } });
const items = await client.POST("/call/count", {
  body: { to: 3 },
  headers: { Accept: "application/json" },
});
const form = (fields: Record<string, string | Blob>) => {
  const made = new FormData();
  for (const [name, value] of Object.entries(fields)) made.append(name, value);
  return made;
};
const photo: components["schemas"]["caption.Arguments"] = { photo: "a cat", title: "Cat" };
const caption = await client.POST("/call/caption", {
  body: photo,
  bodySerializer: () => form({ photo: new Blob([photo.photo]), title: photo.title ?? "" }),
});
const reversed = await client.POST("/call/reversed_bytes", {
  body: "abc",
  bodySerializer: () => "abc",
  headers: { "Content-Type": "application/octet-stream" },
  parseAs: "blob",
});
// @ts-expect-error `box` is missing
const wrong = await client.POST("/call/area", { body: { scale: 1 } });
// @ts-expect-error there is no such function
const missing = await client.POST("/call/no_such_function", {});

const pet: components["schemas"]["oldest.Result"] = oldest.data as components["schemas"]["oldest.Result"];
const problem: components["schemas"]["Problem"] | undefined = wrong.error;
console.log(
  JSON.stringify({
    area: area.data,
    oldest: pet?.name,
    items: items.data,
    caption: caption.data,
    reversed: await (reversed.data as unknown as Blob).text(),
    status: wrong.response.status,
    code: problem?.code,
  }),
);
