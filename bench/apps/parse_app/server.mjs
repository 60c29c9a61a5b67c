// Parse Server with LiveQuery on PostgreSQL, as its guide has it. For `overrides` in package.json: with router 2.3.0, which
// npm would pick, calls of Cloud Code fail.
import http from "node:http"
import express from "express"
import { ParseServer } from "parse-server"

const { DATABASE, PORT } = process.env

const server = new ParseServer({
  databaseURI: DATABASE,
  appId: "bench",
  masterKey: "only-on-loopback",
  serverURL: `http://127.0.0.1:${PORT}/parse`,
  liveQuery: { classNames: ["Message"] },
  allowClientClassCreation: true,
  silent: true,
  logLevel: "error",
  cloud: (Parse) => {
    // Read the counter and write it one higher: what a function of its user would do. Two of them can meet.
    Parse.Cloud.define("increment", async (request) => {
      const counter = await new Parse.Query("Counter").get(request.params.id, { useMasterKey: true })
      counter.set("value", counter.get("value") + 1)
      await counter.save(null, { useMasterKey: true })
    })
  },
})
await server.start()

const app = express()
app.use("/parse", server.app)
const listener = http.createServer(app)
listener.keepAliveTimeout = 120_000 // Node would close the writers' connections after five quiet seconds
listener.listen(Number(PORT), "127.0.0.1")
await ParseServer.createLiveQueryServer(listener)
process.on("SIGINT", () => process.exit(0))
