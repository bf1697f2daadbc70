// Automated rules: their form on the wire, the form in which they are edited, and words for them.

export type Kind = 'message' | 'call' | 'contact';
export type Relation = 'buddy' | 'same-domain' | 'stranger';
export type OwnState = 'online' | 'away' | 'extended-away' | 'busy' | 'offline' | 'on-the-phone';
export type Day = 'mon' | 'tue' | 'wed' | 'thu' | 'fri' | 'sat' | 'sun';
export type Stage = 'at-once' | 'busy' | 'no-answer' | 'offline' | { after: number };
export type RefusedAs = 'forbidden' | 'unavailable' | 'busy' | 'declined' | 'not-found' | 'gone';

export type When =
  | { kind: Kind[] }
  | { sender: string[] }
  | { relation: Relation[] }
  | { hours: { days?: Day[]; from: string; until: string } }
  | { dates: { from?: string; until?: string } }
  | { presence: OwnState[] }
  | { text: string[] }
  | { not: When };

export type Action =
  | 'accept'
  | 'discard'
  | 'store'
  | 'quiet'
  | { reject: { reason?: RefusedAs; text?: string | null } }
  | { redirect: string }
  | { fork: string }
  | { reply: { text: string; everySeconds?: number } }
  | { mark: string }
  | { webhook: { url: string; secret?: string | null; text?: boolean } };

export interface Rule {
  id: string;
  name?: string;
  enabled?: boolean;
  /** Of a domain's or the server's rule: before or after the accounts' own. */
  order?: 'before' | 'after';
  stage?: Stage;
  when?: When[];
  then: Action[];
}

export interface Automation {
  zone?: string | null;
  rules: Rule[];
}

export type Verdict = 'holds' | 'disabled' | 'forbidden' | 'other-stage' | 'fails' | 'not-asked';

export interface Tried {
  refused: RefusalReason | null;
  rules: { scope: 'account' | 'domain' | 'server'; id: string; name: string; verdict: Verdict; condition?: number }[];
  actions: Action[];
}

export type RefusalReason =
  | { by: 'blocked' }
  | { by: 'message-rule'; id: string }
  | { by: 'accepted-senders'; choice: string }
  | { by: 'rule'; scope: 'account' | 'domain' | 'server'; id: string };

/** Something that was refused lately. */
export interface Refused {
  from: string;
  kind: Kind;
  reason: RefusalReason;
  at: string;
  count: number;
}

type Words<T extends string> = readonly (readonly [T, string])[];

export const KINDS: Words<Kind> = [['message', 'Messages'], ['call', 'Calls'], ['contact', 'Contact requests']];
export const RELATIONS: Words<Relation> = [
  ['buddy', 'a contact'], ['same-domain', 'of the same domain'], ['stranger', 'a stranger'],
];
export const STATES: Words<OwnState> = [
  ['online', 'online'], ['away', 'away'], ['extended-away', 'away for long'], ['busy', 'busy'],
  ['offline', 'offline'], ['on-the-phone', 'on the phone'],
];
export const DAYS: Words<Day> = [
  ['mon', 'Monday'], ['tue', 'Tuesday'], ['wed', 'Wednesday'], ['thu', 'Thursday'], ['fri', 'Friday'],
  ['sat', 'Saturday'], ['sun', 'Sunday'],
];
export const REASONS: Words<RefusedAs> = [
  ['forbidden', 'not allowed'], ['unavailable', 'nobody is there'], ['busy', 'busy'], ['declined', 'declined'],
  ['not-found', 'no such address'], ['gone', 'not in use any more'],
];
export const STAGES = [
  ['at-once', 'At once'], ['after', 'After a delay'], ['busy', 'When every phone is busy'],
  ['no-answer', 'When nobody answers'], ['offline', 'When nobody is there'],
] as const;
export const CONDITIONS = [
  ['kind', 'It is'], ['sender', 'It is from'], ['relation', 'The sender is'], ['hours', 'At this time'],
  ['dates', 'Between these dates'], ['presence', 'I am'], ['text', 'The text has'],
] as const;
export const ACTIONS = [
  ['accept', 'Let it through'], ['reject', 'Refuse it'], ['discard', 'Throw it away'],
  ['redirect', 'Send it to another account instead'], ['fork', 'Send it to another account as well'],
  ['reply', 'Answer'], ['store', 'Keep it for the next login'], ['quiet', 'Make no noise'], ['mark', 'Label it'],
  ['webhook', 'Tell a web address'],
] as const;

export type StageName = (typeof STAGES)[number][0];
export type ConditionName = (typeof CONDITIONS)[number][0];
export type ActionName = (typeof ACTIONS)[number][0];

/** A condition as it is edited: every field there is, whichever is in use. */
export interface ConditionDraft {
  type: ConditionName;
  not: boolean;
  /** Of kind, relation and presence. */
  chosen: string[];
  /** Of sender and text: separated by commas. */
  text: string;
  days: string[];
  from: string;
  until: string;
}

/** An action as it is edited. */
export interface ActionDraft {
  type: ActionName;
  text: string;
  reason: RefusedAs;
  address: string;
  hours: number;
  secret: string;
  withText: boolean;
}

export interface RuleDraft {
  id: string;
  name: string;
  enabled: boolean;
  order: 'before' | 'after';
  stage: StageName;
  seconds: number;
  when: ConditionDraft[];
  then: ActionDraft[];
}

export function newCondition(type: ConditionName = 'kind'): ConditionDraft {
  return { type, not: false, chosen: [], text: '', days: [], from: '', until: '' };
}

export function newAction(type: ActionName = 'reply'): ActionDraft {
  return { type, text: '', reason: 'forbidden', address: '', hours: 24, secret: '', withText: false };
}

export function newRule(known: Rule[]): Rule {
  let number = known.length + 1;
  while (known.some((rule) => rule.id === `rule-${number}`)) number += 1;
  return { id: `rule-${number}`, name: '', enabled: true, stage: 'at-once', when: [], then: [] };
}

export function draftOf(rule: Rule): RuleDraft {
  const stage = rule.stage ?? 'at-once';
  const isDelay = typeof stage === 'object';
  return {
    id: rule.id,
    name: rule.name ?? '',
    enabled: rule.enabled ?? true,
    order: rule.order ?? 'before',
    stage: isDelay ? 'after' : stage,
    seconds: isDelay ? stage.after : 20,
    when: (rule.when ?? []).map(conditionDraft),
    then: rule.then.length ? rule.then.map(actionDraft) : [newAction()],
  };
}

function conditionDraft(when: When): ConditionDraft {
  if ('not' in when) return { ...conditionDraft(when.not), not: true };
  if ('kind' in when) return { ...newCondition('kind'), chosen: [...when.kind] };
  if ('relation' in when) return { ...newCondition('relation'), chosen: [...when.relation] };
  if ('presence' in when) return { ...newCondition('presence'), chosen: [...when.presence] };
  if ('sender' in when) return { ...newCondition('sender'), text: when.sender.join(', ') };
  if ('text' in when) return { ...newCondition('text'), text: when.text.join(', ') };
  if ('hours' in when) {
    const { days, from, until } = when.hours;
    return { ...newCondition('hours'), days: [...(days ?? [])], from, until };
  }
  return { ...newCondition('dates'), from: localTime(when.dates.from), until: localTime(when.dates.until) };
}

function actionDraft(action: Action): ActionDraft {
  if (typeof action === 'string') return newAction(action);
  if ('reject' in action) {
    const { reason, text } = action.reject;
    return { ...newAction('reject'), reason: reason ?? 'forbidden', text: text ?? '' };
  }
  if ('redirect' in action) return { ...newAction('redirect'), address: action.redirect };
  if ('fork' in action) return { ...newAction('fork'), address: action.fork };
  if ('reply' in action) {
    const { text, everySeconds } = action.reply;
    return { ...newAction('reply'), text, hours: (everySeconds ?? 86_400) / 3600 };
  }
  if ('mark' in action) return { ...newAction('mark'), text: action.mark };
  const { url, secret, text } = action.webhook;
  return { ...newAction('webhook'), address: url, secret: secret ?? '', withText: text ?? false };
}

export function ruleOf(draft: RuleDraft): Rule {
  const { id, name, enabled, order } = draft;
  const stage = draft.stage === 'after' ? { after: Math.round(draft.seconds) } : draft.stage;
  return { id, name: name.trim(), enabled, order, stage, when: draft.when.map(whenOf), then: draft.then.map(actionOf) };
}

function whenOf(draft: ConditionDraft): When {
  const when = plainWhen(draft);
  return draft.not ? { not: when } : when;
}

function plainWhen({ type, chosen, text, days, from, until }: ConditionDraft): When {
  switch (type) {
    case 'kind': return { kind: chosen as Kind[] };
    case 'relation': return { relation: chosen as Relation[] };
    case 'presence': return { presence: chosen as OwnState[] };
    case 'sender': return { sender: parts(text) };
    case 'text': return { text: parts(text) };
    case 'hours': return { hours: { days: days as Day[], from, until } };
    case 'dates': {
      const dates: { from?: string; until?: string } = {};
      if (from) dates.from = new Date(from).toISOString();
      if (until) dates.until = new Date(until).toISOString();
      return { dates };
    }
  }
}

function actionOf({ type, text, reason, address, hours, secret, withText }: ActionDraft): Action {
  switch (type) {
    case 'reject': return { reject: { reason, text: text.trim() || null } };
    case 'redirect': return { redirect: address.trim() };
    case 'fork': return { fork: address.trim() };
    case 'reply': return { reply: { text, everySeconds: Math.max(60, Math.round(hours * 3600)) } };
    case 'mark': return { mark: text.trim() };
    case 'webhook': return { webhook: { url: address.trim(), secret: secret || null, text: withText } };
    default: return type;
  }
}

function parts(text: string): string[] {
  return text.split(',').map((part) => part.trim()).filter(Boolean);
}

/** A moment as a field for local dates and times has it. */
function localTime(moment?: string): string {
  if (!moment) return '';
  const at = new Date(moment);
  return new Date(at.getTime() - at.getTimezoneOffset() * 60_000).toISOString().slice(0, 16);
}

/** The list with the rule at `from` moved to `to`. */
export function moved(rules: Rule[], from: number, to: number): Rule[] {
  const all = [...rules];
  const [one] = all.splice(from, 1);
  if (one) all.splice(to, 0, one);
  return all;
}

function word<T extends string>(words: Words<T>, value: string): string {
  return words.find(([key]) => key === value)?.[1] ?? value;
}

export function stageWords(stage: Stage = 'at-once'): string {
  return typeof stage === 'object' ? `After ${stage.after} seconds` : word(STAGES as Words<string>, stage);
}

export function conditionWords(when: When): string {
  if ('not' in when) return `not (${conditionWords(when.not)})`;
  if ('kind' in when) return when.kind.map((kind) => word(KINDS, kind).toLowerCase()).join(' or ');
  if ('sender' in when) return `from ${when.sender.join(' or ')}`;
  if ('relation' in when) return `the sender is ${when.relation.map((one) => word(RELATIONS, one)).join(' or ')}`;
  if ('presence' in when) return `I am ${when.presence.map((one) => word(STATES, one)).join(' or ')}`;
  if ('text' in when) return `the text has ${when.text.map((text) => `“${text}”`).join(' or ')}`;
  if ('hours' in when) {
    const { days, from, until } = when.hours;
    const on = days?.length ? ` on ${days.map((day) => word(DAYS, day)).join(', ')}` : '';
    return `between ${from} and ${until}${on}`;
  }
  const { from, until } = when.dates;
  const show = (moment: string) => new Date(moment).toLocaleString();
  return [from ? `from ${show(from)}` : '', until ? `until ${show(until)}` : ''].filter(Boolean).join(' ') || 'at any date';
}

export function actionWords(action: Action): string {
  if (typeof action === 'string') return word(ACTIONS as Words<string>, action).toLowerCase();
  if ('reject' in action) return `refuse it as “${word(REASONS, action.reject.reason ?? 'forbidden')}”`;
  if ('redirect' in action) return `send it to ${action.redirect} instead`;
  if ('fork' in action) return `send it to ${action.fork} as well`;
  if ('reply' in action) return `answer “${action.reply.text}”`;
  if ('mark' in action) return `label it “${action.mark}”`;
  return `tell ${action.webhook.url}`;
}

export function ruleWords(rule: Rule): string {
  const when = (rule.when ?? []).map(conditionWords).join(', ');
  return `${stageWords(rule.stage)}${when ? `, ${when}` : ''}: ${rule.then.map(actionWords).join(', ')}.`;
}

const VERDICTS: Record<Verdict, string> = {
  holds: 'applies',
  disabled: 'is switched off',
  forbidden: 'does what is forbidden here',
  'other-stage': 'is for another moment',
  fails: 'does not apply',
  'not-asked': 'is not asked any more',
};

export function verdictWords({ verdict, condition }: Tried['rules'][number]): string {
  return verdict === 'fails' && condition !== undefined
    ? `does not apply: condition ${condition + 1} does not hold`
    : VERDICTS[verdict];
}

export function refusalWords(reason: RefusalReason): string {
  switch (reason.by) {
    case 'blocked': return 'You have blocked them';
    case 'message-rule': return `Your rule “${reason.id}” on who may write`;
    case 'accepted-senders': return 'You take messages only from the senders of your choice';
    case 'rule': return reason.scope === 'account' ? `Your rule “${reason.id}”` : `A rule of the ${reason.scope}`;
  }
}
