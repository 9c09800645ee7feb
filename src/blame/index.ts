export { type Accused, type Fault, type JudgedSession, judge, judgeTranscript, type Verdict } from './judge.ts';
export {
  MAX_TRANSCRIPT,
  readTranscript,
  type SessionRecord,
  TRANSCRIPT_TYPE,
  type Transcript,
} from './transcript.ts';
export { verdictBrief, verdictWords } from './words.ts';
