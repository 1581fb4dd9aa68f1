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
code, pre { font: 14px/1.5 ui-monospace, monospace; }
pre { background: #8881; padding: 0.75rem 1rem; border-radius: 6px; overflow-x: auto; }
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
  return `<h2><b>${method.toUpperCase()}</b> <code>${escaped(path)}</code></h2>
<p>${escaped(summary)}. ${escaped(description)}</p>${authorized}${shown(body)}
<table>${rows.join('')}</table>`;
}

function schemaOf(of: object): unknown {
  if (!('content' in of)) return undefined;
  const media = Object.values(of.content as Record<string, { readonly schema?: unknown }>)[0];
  return media?.schema;
}

function shown(schema: unknown): string {
  return schema === undefined ? '' : `<pre>${escaped(JSON.stringify(schema, undefined, 2))}</pre>`;
}

function escaped(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
}
