// Tells a Gatewright gateway's requests from everybody else's; Node 18 or later, nothing but its standard library.
//
//   const verify = gateway(readSecrets('/etc/myapp/backend-orders.key'))
//   http.createServer((request, response) => {
//     const identity = verify(request)
//     if (identity === null) { response.writeHead(403).end(); return }
//     ...
//   })
import { createHash, timingSafeEqual } from 'node:crypto'
import { readFileSync } from 'node:fs'

const COVERED = [
  'client-cert', 'x-client-subject', 'x-client-issuer', 'x-client-serial', 'x-client-not-after', 'x-client-dns',
  'x-client-email', 'x-forwarded-client-cert', 'x-ssl-client-cert', 'x-ssl-client-verify', 'x-ssl-client-s-dn',
  'x-ssl-client-i-dn', 'x-ssl-client-serial', 'x-basic-user', 'x-token-subject',
]
const TIME = 'x-gateway-time', REQUEST = 'x-gateway-request', TARGET = 'x-gateway-target', SIGNATURE = 'x-gateway-signature'
const HOST = 'x-forwarded-host', CLIENT = 'x-forwarded-for'
const READ = new Set([...COVERED, TIME, REQUEST, TARGET, SIGNATURE, HOST, CLIENT])

const sha1 = (text) => createHash('sha1').update(text, 'latin1').digest('hex')

export function readSecrets(path) {
  return readFileSync(path, 'ascii').split('\n').map((line) => line.trim()).filter((line) => line && !line.startsWith('#'))
}

// A function from a request to the identity fields by lower-case name, or to null: then answer 403 and do nothing else.
export function gateway(secrets, { windowSeconds = 60 } = {}) {
  if (secrets.length === 0 || !secrets.every((secret) => /^[0-9a-f]{128}$/.test(secret))) {
    throw new Error('a secret is 128 hexadecimal digits in lower case, and there must be one')
  }
  const seen = new Map() // identifier of the request -> when to forget it

  return function verify(request) {
    const sent = {}
    for (let i = 0; i < request.rawHeaders.length; i += 2) {
      const name = request.rawHeaders[i].toLowerCase()
      if (READ.has(name)) {
        if (name in sent) return null // sent twice: one of the two is not the gateway's
        sent[name] = request.rawHeaders[i + 1]
      }
    }
    const value = (name) => sent[name] ?? ''
    if (value(TARGET) !== request.url) return null // the application may read either
    const parts = ['gatewright-1', value(TIME), value(REQUEST), request.method, value(HOST), value(CLIENT), request.url,
      ...COVERED.map(value)]
    if (parts.some((part) => /[^\x21-\xff]/.test(part))) return null // with a blank in it, a message could be read in two ways
    const message = parts.join(' ')

    let good = false
    for (const secret of secrets) {
      const wanted = Buffer.from('v1=' + sha1(secret.slice(64) + sha1(secret.slice(0, 64) + message)))
      for (const one of value(SIGNATURE).split(',').slice(0, 4)) {
        const given = Buffer.from(one)
        if (given.length === wanted.length && timingSafeEqual(given, wanted)) good = true
      }
    }
    if (!good || !value(REQUEST) || !/^[0-9]{10,18}$/.test(value(TIME))) return null

    const now = Date.now()
    if (Math.abs(now - Number(value(TIME)) / 1000) > windowSeconds * 1000) return null
    for (const [known, until] of seen) {
      if (until > now) break
      seen.delete(known)
    }
    if (seen.has(value(REQUEST))) return null // one signature is good for one request
    seen.set(value(REQUEST), now + 2 * windowSeconds * 1000)
    return Object.fromEntries(COVERED.filter((name) => value(name)).map((name) => [name, value(name)]))
  }
}
