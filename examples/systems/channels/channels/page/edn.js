// EDN as plain objects: a keyword is { key }, a map an object by the names of its keys.
import { parse as parseEDN, print } from './edn-data.js'

const plain = (value) => {
  if (Array.isArray(value)) return value.map(plain)
  if (value?.map) return Object.fromEntries(value.map.map(([key, item]) => [key.key ?? key, plain(item)]))
  return value
}

export const parse = (text) => plain(parseEDN(text))
export { print }
