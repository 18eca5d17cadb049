CREATE TABLE "accepted_commands" (
	"command_id" text COLLATE "C" PRIMARY KEY NOT NULL,
	"event_id" text COLLATE "C" NOT NULL,
	"user_id" text COLLATE "C",
	"type" text NOT NULL,
	"submitted_at" timestamp (3) with time zone NOT NULL,
	"accepted_at" timestamp (3) with time zone DEFAULT clock_timestamp() NOT NULL,
	"command" jsonb NOT NULL,
	"reservation_id" text COLLATE "C",
	"ticket" bigint
);
--> statement-breakpoint
CREATE TABLE "event_lanes" (
	"event_id" text COLLATE "C" PRIMARY KEY NOT NULL,
	"fence" bigint DEFAULT 0 NOT NULL,
	"owner" text,
	"logical_at" timestamp (3) with time zone DEFAULT 'epoch' NOT NULL,
	"next_seq" bigint DEFAULT 1 NOT NULL,
	"paused_at" timestamp (3) with time zone,
	CONSTRAINT "event_lanes_counts" CHECK (fence >= 0 AND next_seq >= 1)
);
--> statement-breakpoint
CREATE TABLE "events" (
	"id" text COLLATE "C" PRIMARY KEY NOT NULL,
	"organizer_id" text COLLATE "C" NOT NULL,
	"name" text NOT NULL,
	"description" text,
	"venue" text,
	"sales_open_at" timestamp (3) with time zone,
	"sales_close_at" timestamp (3) with time zone,
	"sales_closed" boolean DEFAULT false NOT NULL,
	"hold_seconds" integer NOT NULL,
	"offer_seconds" integer NOT NULL,
	"max_per_order" integer NOT NULL,
	"max_per_user" integer NOT NULL,
	"overlap_policy" text NOT NULL,
	"cancel_cutoff_seconds" integer NOT NULL,
	"waitlist" jsonb NOT NULL,
	"cancelled_at" timestamp (3) with time zone,
	"ends_at" timestamp (3) with time zone NOT NULL,
	"starts_at" timestamp (3) with time zone NOT NULL,
	"version" integer DEFAULT 1 NOT NULL,
	"created_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	"updated_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "events_overlap_policy_known" CHECK (overlap_policy IN ('refuse', 'allow')),
	CONSTRAINT "events_hold_seconds_range" CHECK (hold_seconds BETWEEN 1 AND 86400),
	CONSTRAINT "events_offer_seconds_range" CHECK (offer_seconds BETWEEN 1 AND 604800),
	CONSTRAINT "events_limits_positive" CHECK (max_per_order > 0 AND max_per_user > 0 AND cancel_cutoff_seconds >= 0),
	CONSTRAINT "events_sales_window" CHECK (sales_open_at < sales_close_at),
	CONSTRAINT "events_ends_after_start" CHECK (starts_at < ends_at)
);
--> statement-breakpoint
CREATE TABLE "outcomes" (
	"command_id" text COLLATE "C" PRIMARY KEY NOT NULL,
	"event_id" text COLLATE "C" NOT NULL,
	"seq" bigint NOT NULL,
	"type" text NOT NULL,
	"user_id" text COLLATE "C",
	"idempotency_key" text,
	"fingerprint" text,
	"status" text NOT NULL,
	"outcome" jsonb NOT NULL,
	"submitted_at" timestamp (3) with time zone NOT NULL,
	"finished_at" timestamp (3) with time zone NOT NULL,
	CONSTRAINT "outcomes_status_known" CHECK (status IN ('succeeded', 'rejected', 'failed')),
	CONSTRAINT "outcomes_seq_positive" CHECK (seq >= 1)
);
--> statement-breakpoint
CREATE TABLE "refresh_tokens" (
	"token_hash" text PRIMARY KEY NOT NULL,
	"session_id" text COLLATE "C" NOT NULL,
	"created_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	"rotated_at" timestamp (3) with time zone,
	"successor" text
);
--> statement-breakpoint
CREATE TABLE "reservations" (
	"id" text COLLATE "C" PRIMARY KEY NOT NULL,
	"event_id" text COLLATE "C" NOT NULL,
	"slot_id" text COLLATE "C" NOT NULL,
	"user_id" text COLLATE "C" NOT NULL,
	"quantity" integer NOT NULL,
	"status" text NOT NULL,
	"origin" text NOT NULL,
	"payment_reference" text,
	"expires_at" timestamp (3) with time zone,
	"created_at" timestamp (3) with time zone NOT NULL,
	"purchased_at" timestamp (3) with time zone,
	"ended_at" timestamp (3) with time zone,
	"end_reason" text,
	"during" "tstzrange" NOT NULL,
	"exclusive" boolean NOT NULL,
	CONSTRAINT "reservations_quantity_positive" CHECK (quantity > 0),
	CONSTRAINT "reservations_status_known" CHECK (status IN ('held', 'purchased', 'expired', 'cancelled')),
	CONSTRAINT "reservations_origin_known" CHECK (origin IN ('public', 'waitlist')),
	CONSTRAINT "reservations_end_reason_known" CHECK (end_reason IN ('deadline', 'user', 'declined', 'organizer', 'event-cancelled')),
	CONSTRAINT "reservations_held_has_deadline" CHECK ((status <> 'held') OR expires_at IS NOT NULL),
	CONSTRAINT "reservations_purchased_has_time" CHECK ((status <> 'purchased') OR purchased_at IS NOT NULL),
	CONSTRAINT "reservations_ended_has_reason" CHECK ((status IN ('expired', 'cancelled')) = (ended_at IS NOT NULL AND end_reason IS NOT NULL))
);
--> statement-breakpoint
CREATE TABLE "sessions" (
	"id" text COLLATE "C" PRIMARY KEY NOT NULL,
	"user_id" text COLLATE "C" NOT NULL,
	"created_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	"expires_at" timestamp (3) with time zone NOT NULL,
	"revoked_at" timestamp (3) with time zone
);
--> statement-breakpoint
CREATE TABLE "slots" (
	"id" text COLLATE "C" PRIMARY KEY NOT NULL,
	"event_id" text COLLATE "C" NOT NULL,
	"name" text,
	"starts_at" timestamp (3) with time zone NOT NULL,
	"ends_at" timestamp (3) with time zone NOT NULL,
	"capacity" integer NOT NULL,
	"held" integer DEFAULT 0 NOT NULL,
	"purchased" integer DEFAULT 0 NOT NULL,
	"inventory" bigint DEFAULT 0 NOT NULL,
	CONSTRAINT "slots_event_id_id_key" UNIQUE("event_id","id"),
	CONSTRAINT "slots_capacity_range" CHECK (capacity BETWEEN 0 AND 1000000),
	CONSTRAINT "slots_counters_not_negative" CHECK (held >= 0 AND purchased >= 0),
	CONSTRAINT "slots_never_oversold" CHECK (held + purchased <= capacity),
	CONSTRAINT "slots_ends_after_start" CHECK (starts_at < ends_at)
);
--> statement-breakpoint
CREATE TABLE "users" (
	"id" text COLLATE "C" PRIMARY KEY NOT NULL,
	"email" text NOT NULL,
	"name" text NOT NULL,
	"role" text DEFAULT 'user' NOT NULL,
	"password_hash" text NOT NULL,
	"created_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	"disabled_at" timestamp (3) with time zone,
	"auth_changed_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "users_role_known" CHECK (role IN ('user', 'organizer', 'admin'))
);
--> statement-breakpoint
ALTER TABLE "accepted_commands" ADD CONSTRAINT "accepted_commands_event_id_events_id_fk" FOREIGN KEY ("event_id") REFERENCES "public"."events"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "accepted_commands" ADD CONSTRAINT "accepted_commands_user_id_users_id_fk" FOREIGN KEY ("user_id") REFERENCES "public"."users"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "event_lanes" ADD CONSTRAINT "event_lanes_event_id_events_id_fk" FOREIGN KEY ("event_id") REFERENCES "public"."events"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "events" ADD CONSTRAINT "events_organizer_id_users_id_fk" FOREIGN KEY ("organizer_id") REFERENCES "public"."users"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "outcomes" ADD CONSTRAINT "outcomes_event_id_events_id_fk" FOREIGN KEY ("event_id") REFERENCES "public"."events"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "outcomes" ADD CONSTRAINT "outcomes_user_id_users_id_fk" FOREIGN KEY ("user_id") REFERENCES "public"."users"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "refresh_tokens" ADD CONSTRAINT "refresh_tokens_session_id_sessions_id_fk" FOREIGN KEY ("session_id") REFERENCES "public"."sessions"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "reservations" ADD CONSTRAINT "reservations_user_id_users_id_fk" FOREIGN KEY ("user_id") REFERENCES "public"."users"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "reservations" ADD CONSTRAINT "reservations_slot_of_event_fk" FOREIGN KEY ("event_id","slot_id") REFERENCES "public"."slots"("event_id","id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "sessions" ADD CONSTRAINT "sessions_user_id_users_id_fk" FOREIGN KEY ("user_id") REFERENCES "public"."users"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "slots" ADD CONSTRAINT "slots_event_id_events_id_fk" FOREIGN KEY ("event_id") REFERENCES "public"."events"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
CREATE INDEX "accepted_commands_event_id_idx" ON "accepted_commands" USING btree ("event_id","submitted_at");--> statement-breakpoint
CREATE INDEX "accepted_commands_user_id_idx" ON "accepted_commands" USING btree ("user_id","submitted_at","command_id") WHERE user_id IS NOT NULL;--> statement-breakpoint
CREATE INDEX "accepted_commands_purchase_idx" ON "accepted_commands" USING btree ("reservation_id") WHERE type = 'purchase';--> statement-breakpoint
CREATE INDEX "events_upcoming_idx" ON "events" USING btree ("starts_at","id");--> statement-breakpoint
CREATE INDEX "events_ends_at_idx" ON "events" USING btree ("ends_at","id");--> statement-breakpoint
CREATE INDEX "events_organizer_id_idx" ON "events" USING btree ("organizer_id");--> statement-breakpoint
CREATE UNIQUE INDEX "outcomes_event_seq_key" ON "outcomes" USING btree ("event_id","seq");--> statement-breakpoint
CREATE UNIQUE INDEX "outcomes_user_key_key" ON "outcomes" USING btree ("user_id","idempotency_key") WHERE idempotency_key IS NOT NULL;--> statement-breakpoint
CREATE INDEX "outcomes_user_id_idx" ON "outcomes" USING btree ("user_id","submitted_at","command_id") WHERE user_id IS NOT NULL;--> statement-breakpoint
CREATE INDEX "refresh_tokens_session_id_idx" ON "refresh_tokens" USING btree ("session_id");--> statement-breakpoint
CREATE UNIQUE INDEX "reservations_one_active_key" ON "reservations" USING btree ("user_id","slot_id") WHERE status IN ('held', 'purchased');--> statement-breakpoint
CREATE INDEX "reservations_due_idx" ON "reservations" USING btree ("event_id","expires_at") WHERE status = 'held';--> statement-breakpoint
CREATE INDEX "reservations_expires_at_idx" ON "reservations" USING btree ("expires_at") WHERE status = 'held';--> statement-breakpoint
CREATE INDEX "reservations_release_idx" ON "reservations" USING btree ("slot_id","expires_at") WHERE status = 'held';--> statement-breakpoint
CREATE INDEX "reservations_user_id_idx" ON "reservations" USING btree ("user_id","created_at","id");--> statement-breakpoint
CREATE INDEX "reservations_event_id_idx" ON "reservations" USING btree ("event_id","created_at","id");--> statement-breakpoint
CREATE INDEX "sessions_user_id_idx" ON "sessions" USING btree ("user_id");--> statement-breakpoint
CREATE INDEX "sessions_revoked_at_idx" ON "sessions" USING btree ("revoked_at") WHERE revoked_at IS NOT NULL;--> statement-breakpoint
CREATE UNIQUE INDEX "users_email_key" ON "users" USING btree (lower("email"));--> statement-breakpoint
CREATE INDEX "users_auth_changed_at_idx" ON "users" USING btree ("auth_changed_at");