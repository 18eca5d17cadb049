CREATE TABLE "webhook_deliveries" (
	"id" text COLLATE "C" PRIMARY KEY NOT NULL,
	"endpoint_id" text COLLATE "C" NOT NULL,
	"message_id" text COLLATE "C" NOT NULL,
	"status" text DEFAULT 'pending' NOT NULL,
	"tries" integer DEFAULT 0 NOT NULL,
	"attempts" jsonb DEFAULT '[]'::jsonb NOT NULL,
	"next_attempt_at" timestamp (3) with time zone,
	"created_at" timestamp (3) with time zone NOT NULL,
	CONSTRAINT "webhook_deliveries_status_known" CHECK (status IN ('pending', 'delivered', 'failed')),
	CONSTRAINT "webhook_deliveries_pending_has_time" CHECK ((status = 'pending') = (next_attempt_at IS NOT NULL)),
	CONSTRAINT "webhook_deliveries_tries_counted" CHECK (tries >= 0)
);
--> statement-breakpoint
CREATE TABLE "webhook_endpoints" (
	"id" text COLLATE "C" PRIMARY KEY NOT NULL,
	"owner_id" text COLLATE "C" NOT NULL,
	"url" text NOT NULL,
	"types" text[],
	"description" text,
	"status" text DEFAULT 'unverified' NOT NULL,
	"disabled_reason" text,
	"secret" text NOT NULL,
	"previous_secret" text,
	"previous_secret_until" timestamp (3) with time zone,
	"failing_since" timestamp (3) with time zone,
	"failed_at" timestamp (3) with time zone,
	"created_at" timestamp (3) with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "webhook_endpoints_status_known" CHECK (status IN ('unverified', 'active', 'disabled')),
	CONSTRAINT "webhook_endpoints_disabled_has_reason" CHECK ((status = 'disabled') = (disabled_reason IS NOT NULL)),
	CONSTRAINT "webhook_endpoints_disabled_reason_known" CHECK (disabled_reason IN ('gone', 'failing')),
	CONSTRAINT "webhook_endpoints_failing_has_last" CHECK ((failing_since IS NULL) = (failed_at IS NULL)),
	CONSTRAINT "webhook_endpoints_previous_has_end" CHECK ((previous_secret IS NULL) = (previous_secret_until IS NULL))
);
--> statement-breakpoint
CREATE TABLE "webhook_messages" (
	"id" text COLLATE "C" PRIMARY KEY NOT NULL,
	"event_id" text COLLATE "C",
	"sequence" bigint,
	"type" text NOT NULL,
	"notice" json NOT NULL,
	"created_at" timestamp (3) with time zone NOT NULL,
	CONSTRAINT "webhook_messages_of_event_numbered" CHECK ((event_id IS NULL) = (sequence IS NULL) AND sequence >= 1)
);
--> statement-breakpoint
ALTER TABLE "event_lanes" DROP CONSTRAINT "event_lanes_counts";--> statement-breakpoint
ALTER TABLE "outcomes" DROP CONSTRAINT "outcomes_status_known";--> statement-breakpoint
ALTER TABLE "outcomes" ALTER COLUMN "seq" DROP NOT NULL;--> statement-breakpoint
ALTER TABLE "event_lanes" ADD COLUMN "next_message" bigint DEFAULT 1 NOT NULL;--> statement-breakpoint
ALTER TABLE "webhook_endpoints" ADD CONSTRAINT "webhook_endpoints_owner_id_users_id_fk" FOREIGN KEY ("owner_id") REFERENCES "public"."users"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
CREATE UNIQUE INDEX "webhook_deliveries_once_key" ON "webhook_deliveries" USING btree ("message_id","endpoint_id");--> statement-breakpoint
CREATE INDEX "webhook_deliveries_due_idx" ON "webhook_deliveries" USING btree ("endpoint_id","next_attempt_at") WHERE status = 'pending';--> statement-breakpoint
CREATE INDEX "webhook_deliveries_log_idx" ON "webhook_deliveries" USING btree ("endpoint_id","created_at","id");--> statement-breakpoint
CREATE INDEX "webhook_deliveries_created_at_idx" ON "webhook_deliveries" USING btree ("created_at");--> statement-breakpoint
CREATE INDEX "webhook_endpoints_owner_id_idx" ON "webhook_endpoints" USING btree ("owner_id","created_at","id");--> statement-breakpoint
CREATE INDEX "webhook_endpoints_hearing_idx" ON "webhook_endpoints" USING btree ("owner_id") WHERE status <> 'unverified';--> statement-breakpoint
CREATE UNIQUE INDEX "webhook_messages_event_sequence_key" ON "webhook_messages" USING btree ("event_id","sequence");--> statement-breakpoint
CREATE INDEX "webhook_messages_created_at_idx" ON "webhook_messages" USING btree ("created_at");--> statement-breakpoint
CREATE INDEX "users_admins_idx" ON "users" USING btree ("id") WHERE role = 'admin';--> statement-breakpoint
ALTER TABLE "event_lanes" ADD CONSTRAINT "event_lanes_counts" CHECK (fence >= 0 AND next_seq >= 1 AND next_message >= 1);--> statement-breakpoint
ALTER TABLE "outcomes" ADD CONSTRAINT "outcomes_withdrawn_has_no_turn" CHECK ((status = 'withdrawn') = (seq IS NULL));--> statement-breakpoint
ALTER TABLE "outcomes" ADD CONSTRAINT "outcomes_status_known" CHECK (status IN ('succeeded', 'rejected', 'failed', 'withdrawn'));