// Tells who it believes the client to be.
import http from 'node:http'
import { pathToFileURL } from 'node:url'

const [port, secrets, module] = process.argv.slice(2)
const { gateway, readSecrets } = await import(pathToFileURL(module))
const verify = gateway(readSecrets(secrets))
http.createServer((request, response) => {
  const identity = verify(request)
  if (identity === null) {
    response.writeHead(403).end()
    return
  }
  response.end(decodeURIComponent(identity['x-client-subject'] ?? 'nobody'))
}).listen(Number(port), '127.0.0.1')
