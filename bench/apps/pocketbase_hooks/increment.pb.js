// Read the counter and write it one higher, in a transaction: how PocketBase offers it to code on the server.
routerAdd("POST", "/api/increment/{id}", (e) => {
  $app.runInTransaction((transaction) => {
    const counter = transaction.findRecordById("counters", e.request.pathValue("id"))
    counter.set("value", counter.getInt("value") + 1)
    transaction.save(counter)
  })
  return e.json(200, { done: true })
})
