// A component that shows nothing: it brings models to the page, as carrier.py packs them.

export default function (component) {
  const bytes = component.data instanceof Uint8Array ? component.data : new Uint8Array(component.data);
  const { header, start } = decodeHeader(bytes);
  const models = Object.entries(header.models);
  bring(models.map(([key, [offset, length]]) => [key, bytes.slice(start + offset, start + offset + length)]));
}
