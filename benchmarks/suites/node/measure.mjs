// Microseconds of the client's processor time for each request and each chunk of a stream, one list per round; as JSON.
import assert from "node:assert/strict";
import { fork } from "node:child_process";
import { clients } from "./clients.mjs";

const [rounds, requests, chunks] = process.argv.slice(2).map(Number);
const server = fork(new URL("server.mjs", import.meta.url));
const port = await new Promise((resolve) => server.once("message", resolve));
const all = clients(`http://127.0.0.1:${port}`);

async function time(work) {
  const begin = process.cpuUsage();
  await work();
  const { user, system } = process.cpuUsage(begin);
  return user + system;
}

const jobs = {
  async request(client) {
    for (let done = 0; done < requests; done++) {
      assert.equal(await client.whole(), "Hello");
    }
  },
  async chunk(client) {
    assert.equal(await client.stream(chunks), chunks);
  },
};

const result = { request: {}, chunk: {} };
for (let round = -3; round < rounds; round++) { // the first three warm up
  for (const [job, count] of [["request", requests], ["chunk", chunks]]) {
    for (const [name, client] of Object.entries(all)) {
      const each = (await time(() => jobs[job](client))) / count;
      if (round >= 0) {
        (result[job][name] ??= []).push(each);
      }
    }
  }
}
console.log(JSON.stringify(result));
server.disconnect();
