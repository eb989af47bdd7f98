// Copyright The child-account-operator Authors.
// SPDX-License-Identifier: Apache-2.0
//
// Calls the simulator by the provider's own client: each line of JSON on stdin
// is a call, and is answered by a line on stdout that says what the client made of it.
'use strict';

const readline = require('readline');
const Client = require('@voximplant/apiclient-nodejs').default;

const clients = new Map();

// clientOf gives the client with these parameters as soon as it has read its credentials.
function clientOf(parameters) {
  const key = JSON.stringify(parameters);
  if (!clients.has(key)) {
    clients.set(key, new Promise((ready) => { new Client(parameters).onReady = ready; }));
  }
  return clients.get(key);
}

// make calls a method of the client's Accounts, or RoleSystem. For those that it doesn't have there is
// the function that all its methods end in, which sends names that it doesn't know as they are.
async function make({ client, method, generic, request }) {
  const c = await clientOf(client);
  const group = method in c.Accounts ? c.Accounts : c.RoleSystem;
  return generic ? c.makeRequest(method, request, [[], []]) : group[method](request);
}

// failureOf leaves out what axios has in its errors too: the request, with its token and passwords.
function failureOf({ message, code, response }) {
  return { message, code, status: response && response.status, data: response && response.data };
}

// JSON has no dates.
function mark(key, value) {
  return this[key] instanceof Date ? { $date: Number(this[key]) } : value;
}

function unmark(key, value) {
  return value && value.$date ? new Date(value.$date) : value;
}

readline.createInterface({ input: process.stdin }).on('line', async (line) => {
  const outcome = await make(JSON.parse(line, unmark)).then((answer) => ({ answer }), (error) => ({ failure: failureOf(error) }));
  process.stdout.write(JSON.stringify(outcome, mark) + '\n');
});
