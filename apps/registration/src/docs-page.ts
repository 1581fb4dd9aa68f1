/**
 * The page for people at `/docs`: the OpenAPI document as plain HTML, without a script and without anything
 * from elsewhere. It is small because there are four routes.
 */
import type { OpenAPIObject } from '@nestjs/swagger';

type PathItem = OpenAPIObject['paths'][string];
type Operation = NonNullable<PathItem['get']>;

const METHODS = ['get', 'post', 'put', 'patch', 'delete'] as const;
const STYLE = `
:root { color-scheme: light dark; }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 46rem; margin: 2rem auto; padding: 0 1rem; }
h2 { margin-top: 2.5rem; border-top: 1px solid #8884; padding-top: 1.5rem; font-size: 1.1rem; }
h2 b { display: inline-block; min-width: 4.5rem; color: #c60; }
code { font: 14px/1.5 ui-monospace, monospace; overflow-wrap: break-word; }
ul { margin: 0.25rem 0; padding-left: 1.25rem; }
td { padding: 0.15rem 1rem 0.15rem 0; vertical-align: top; }`;

export function docsPage(document: OpenAPIObject): string {
  const { title, description = '' } = document.info;
  const sections = Object.entries(document.paths).flatMap(([path, item]) =>
    METHODS.flatMap((method) => {
      const operation = item[method];
      return operation ? [section(method, path, operation)] : [];
    }),
  );
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>${escaped(title)}</title><style>${STYLE}</style></head><body>
<h1>${escaped(title)}</h1>
<p>${escaped(description)} For programs: <a href="/openapi.json">openapi.json</a>.</p>
${sections.join('\n')}
</body></html>
`;
}

function section(method: string, path: string, operation: Operation): string {
  const { summary = '', description = '', security, requestBody, responses } = operation;
  const authorized = security?.length
    ? '<p>With <code>Authorization: Bearer {device}</code>.</p>'
    : '';
  const body = requestBody && 'content' in requestBody ? schemaOf(requestBody) : undefined;
  const rows = Object.entries(responses).map(([status, response]) => {
    const said = response && 'description' in response ? response.description : '';
    const schema = status.startsWith('2') && response ? schemaOf(response) : undefined;
    return `<tr><td><code>${status}</code></td><td>${escaped(said)}${shown(schema)}</td></tr>`;
  });
  const about = escaped(description).replaceAll(/`(.+?)`/g, '<code>$1</code>');
  return `<h2><b>${method.toUpperCase()}</b> <code>${escaped(path)}</code></h2>
<p>${escaped(summary)}. ${about}</p>${authorized}${shown(body)}
<table>${rows.join('')}</table>`;
}

interface Schema {
  readonly description?: string;
  readonly example?: unknown;
  readonly required?: readonly string[];
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly items?: Schema;
}

function schemaOf(of: object): Schema | undefined {
  if (!('content' in of)) return undefined;
  const media = Object.values(of.content as Record<string, { readonly schema?: Schema }>)[0];
  return media?.schema;
}

/** The members of an object, nested ones indented. */
function shown(schema: Schema | undefined): string {
  if (schema?.items) return shown(schema.items);
  if (!schema?.properties) return '';
  const members = Object.entries(schema.properties).map(([name, member]) => {
    const { description = '', example } = member;
    const optional = schema.required?.includes(name) ? '' : ' <i>optional</i>';
    const sample = example === undefined ? '' : `, e.g. <code>${escaped(String(example))}</code>`;
    const said = `${escaped(description)}${sample}`;
    return `<li><code>${escaped(name)}</code>${optional} ${said}${shown(member)}</li>`;
  });
  return `<ul>${members.join('')}</ul>`;
}

function escaped(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
}
